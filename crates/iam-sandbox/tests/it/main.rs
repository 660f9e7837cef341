//! Tests of the sandbox over HTTP.
//!
//! Two tests need Python, and print a message if they are skipped. To run them with the pinned
//! versions:
//!
//! ```sh
//! python3 -m venv venv && venv/bin/pip install -r crates/iam-sandbox/tests/requirements.txt
//! export ENGINE_ROLES_PYTHON=$PWD/venv/bin/python
//! ENGINE_ROLES_MOTO_SERVER=$PWD/venv/bin/moto_server cargo test -p engine-roles-iam-sandbox ```

mod authorization;
mod boto3;
mod clock;
mod contract;
mod faults;
mod layers;
mod organization;
mod scale;
mod sessions;
mod settings;
mod signatures;
mod wire;
