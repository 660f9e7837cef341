//! The service from outside: what it answers, what it leaves in the database, and which calls
//! reach IAM.

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
mod crashes;
mod creating;
mod crowd;
mod drift;
mod faults;
mod forbidden;
mod health;
mod house;
mod input;
mod interface;
mod interruptions;
mod keys;
mod orphans;
mod outages;
mod passing;
mod permissions;
mod policies;
mod races;
mod refusals;
mod replicas;
mod staleness;
mod sweeps;
mod tearing_down;
mod typed_client;
