//! What is wrong with a value that came from outside, or why something is not proved.

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransparencyError {
    /// A text is not the base64 of 32 bytes.
    #[error("a hash is not the base64 of 32 bytes")]
    InvalidHash,
    /// A tree has more leaves than [`crate::MAX_SIZE`].
    #[error("a tree of {size} leaves is too large")]
    TooLarge {
        /// The number of leaves.
        size: u64,
    },
    /// A frontier has another number of hashes than a tree of its size.
    #[error("the frontier of {size} leaves has {expected} hashes, not {found}")]
    FrontierLength {
        /// The number of leaves.
        size: u64,
        /// How many hashes the frontier of such a tree has.
        expected: usize,
        /// How many hashes were given.
        found: usize,
    },
    /// A path names no tile.
    #[error("the path names no tile: {reason}")]
    InvalidTilePath {
        /// Which rule the path breaks.
        reason: &'static str,
    },
    /// The bytes of a tile are too few, too many, or no whole number of hashes.
    #[error("{bytes} bytes are not the hashes of {tile}")]
    TileLength {
        /// The path of the tile.
        tile: String,
        /// How many bytes were given.
        bytes: usize,
    },
    /// A tile that is needed was not given, or is too narrow.
    #[error("{tile} is missing or too narrow")]
    MissingTile {
        /// The path of the tile.
        tile: String,
    },
    /// An entry does not fit into a bundle.
    #[error("an entry of {bytes} bytes is longer than 65535 bytes")]
    EntryTooLong {
        /// The length of the entry.
        bytes: usize,
    },
    /// The bytes are no bundle of entries.
    #[error("the entry bundle is malformed: {reason}")]
    MalformedBundle {
        /// What is wrong.
        reason: &'static str,
    },
    /// A tree has no leaf with this number.
    #[error("a tree of {size} leaves has no leaf {index}")]
    NoSuchLeaf {
        /// The number of the leaf; the first is 0.
        index: u64,
        /// The number of leaves.
        size: u64,
    },
    /// A tree is shorter than one that it should extend.
    #[error("the tree has {new} leaves, fewer than the {old} of an earlier tree")]
    Shorter {
        /// The number of leaves of the earlier tree.
        old: u64,
        /// The number of leaves of the later tree.
        new: u64,
    },
    /// A text is no proof of an event.
    #[error("the proof is malformed: {reason}")]
    MalformedProof {
        /// What is wrong.
        reason: &'static str,
    },
    /// A proof does not lead to the root.
    #[error("the proof does not lead to the root")]
    ProofDoesNotMatch,
    /// The tiles or events lead to another root than expected.
    #[error("the tree of {size} leaves has another root than expected")]
    RootDiffers {
        /// The number of leaves.
        size: u64,
    },
    /// A text is no name of a key.
    #[error("a key name must not be empty, nor have spaces, control characters or `+`")]
    InvalidKeyName,
    /// The name of a key is too long.
    #[error("a key name has {bytes} bytes; it must have at most {longest}")]
    KeyNameTooLong {
        /// How many bytes the name has.
        bytes: usize,
        /// The most bytes that a name may have.
        longest: usize,
    },
    /// A text is no verifier key.
    #[error("the verifier key is invalid: {reason}")]
    InvalidVerifierKey {
        /// What is wrong.
        reason: &'static str,
    },
    /// A text is no private key of the kind that is needed.
    #[error("the private key is not an Ed25519 key in PEM (PKCS#8)")]
    InvalidSigningKey,
    /// Signing failed.
    #[error("the signature could not be made")]
    SigningFailed,
    /// A text is no signed note.
    #[error("the signed note is malformed: {reason}")]
    MalformedNote {
        /// What is wrong.
        reason: &'static str,
    },
    /// The text of a note is no checkpoint.
    #[error("the checkpoint is malformed: {reason}")]
    MalformedCheckpoint {
        /// What is wrong.
        reason: &'static str,
    },
    /// A signature by a known key is wrong.
    #[error("the signature by {name} is wrong")]
    WrongSignature {
        /// The name of the key.
        name: String,
    },
    /// No known key of the log has signed.
    #[error("no known key of the log {origin} has signed the checkpoint")]
    NotSigned {
        /// The log's origin.
        origin: String,
    },
    /// A checkpoint that a witness should have cosigned last has no cosignature of it.
    #[error("the witness {witness} has not cosigned the checkpoint with this key and name")]
    NotCosigned {
        /// The public key of the witness, with its name.
        witness: String,
    },
    /// A checkpoint is of another log.
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    OtherOrigin {
        /// The origin in the checkpoint.
        found: String,
        /// The origin that was expected.
        expected: String,
    },
    /// A request to a witness begins at another checkpoint than the one that the witness cosigned
    /// last.
    #[error(
        "the request begins at size {found}, but the checkpoint cosigned last has size {expected}"
    )]
    OtherOldSize {
        /// The size in the request.
        found: u64,
        /// The size of the checkpoint that was cosigned last; 0 where none was.
        expected: u64,
    },
    /// A text is no request to a witness.
    #[error("the request to the witness is malformed: {reason}")]
    MalformedRequest {
        /// What is wrong.
        reason: &'static str,
    },
    /// A time can't be in a cosignature.
    #[error("a cosignature can't have the time {timestamp}")]
    InvalidTimestamp {
        /// The time, in seconds since the Unix epoch.
        timestamp: u64,
    },
}
