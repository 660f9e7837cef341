//! The command `audit checkpoint`.

use std::process::ExitCode;

use clap::Args;
use engine_roles_contract::ConsistencyQuery;
use engine_roles_transparency::{Checkpoint, ConsistencyProof, Note, TreeHash, WitnessRequest};

use super::super::connection::{ConnectionArgs, Session};
use super::super::exit::{EXIT_CODES, Exit};
use super::super::failure::Failure;
use super::super::screen::print_line;

/// The arguments of `audit checkpoint`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct CheckpointArgs {
    /// Print what a witness takes: the checkpoint, and the proof that it extends the checkpoint of this
    /// size, which the witness cosigned last; 0 for a witness that has not cosigned yet
    #[arg(long, value_name = "SIZE")]
    old: Option<u64>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Prints the signed checkpoint, or the request to a witness.
pub(super) fn run(args: &CheckpointArgs) -> ExitCode {
    args.connection.run(async |session: &Session| {
        let note = session.client.audit_checkpoint().await?.ok_or_else(|| {
            Failure::NotFound("the service has not signed a checkpoint".to_owned())
        })?;
        let text = match args.old {
            Some(old) => Box::pin(request(session, old, &note)).await?.to_string(),
            None => note,
        };
        print_line(text.trim_end_matches('\n'))?;
        Ok(Exit::Done)
    })
}

async fn request(session: &Session, old: u64, note: &str) -> Result<WitnessRequest, Failure> {
    let invalid = |error: engine_roles_transparency::TransparencyError| {
        Failure::Outcome(format!("the service's answer is invalid: {error}"))
    };
    let note: Note = note.parse().map_err(invalid)?;
    let new = Checkpoint::parse(note.text()).map_err(invalid)?.size;
    if old > new {
        return Err(Failure::Usage(format!(
            "--old: the checkpoint has size {new}, which is smaller than {old}"
        )));
    }
    let number = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let query = ConsistencyQuery {
        from: number(old),
        to: number(new),
    };
    let proof = session.client.prove_consistency(&query).await?.body;
    let hashes = proof.hashes.iter().map(|hash| hash.parse());
    let proof = ConsistencyProof {
        old_size: old,
        new_size: new,
        hashes: hashes
            .collect::<Result<Vec<TreeHash>, _>>()
            .map_err(invalid)?,
    };
    Ok(WitnessRequest::new(proof, note))
}
