//! End-to-end tests of the service: what it answers, what it writes to the database, and which calls
//! it sends to IAM.

mod access;
mod accounts;
mod administrators;
mod attestation;
mod audit;
mod budget;
mod capabilities;
mod changing;
mod chaos;
mod checker;
mod compose;
mod crashes;
mod creating;
mod drift;
mod faults;
mod health;
mod iam_answers;
mod input;
mod interface;
mod interruptions;
mod keys;
mod many_clusters;
mod orphans;
mod outages;
mod pass_through;
mod permissions;
mod policies;
mod races;
mod replicas;
mod repository;
mod service_policy;
mod staleness;
mod sweeps;
mod tearing_down;
mod typed_client;
