//! The sandbox from outside, over HTTP.

mod authorization;
mod boto3;
mod clock;
mod contract;
mod faults;
mod scale;
mod settings;
mod wire;
