//! The service from outside: what it answers, what it leaves in the database, and which calls
//! reach IAM.

mod audit;
mod changing;
mod checker;
mod crashes;
mod creating;
mod crowd;
mod health;
mod house;
mod input;
mod interface;
mod interruptions;
mod passing;
mod permissions;
mod policies;
mod races;
mod refusals;
mod tearing_down;
