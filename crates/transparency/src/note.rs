//! Signed notes (C2SP signed-note): a text, and below an empty line the lines of its signatures.

use std::fmt;
use std::str::FromStr;

use crate::key::{KeyId, KeyName, SigningKey, VerifierKey};
use crate::{TransparencyError, base64};

/// The longest note in bytes. Sixteen signatures, which a verifier has to accept, have less than half
/// of that even if they are post-quantum signatures.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;

/// The most signatures of a note. C2SP signed-note demands at least 16.
pub const MAX_SIGNATURES: usize = 100;

/// The line before a signature begins with an em dash and a space.
const DASH: &str = "\u{2014} ";

/// A signature of a note. It is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    id: KeyId,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// Puts the parts of a signature together.
    pub(crate) fn by(key: &VerifierKey, bytes: Vec<u8>) -> Self {
        Self {
            name: key.name().clone(),
            id: key.id(),
            bytes,
        }
    }

    /// Returns the name of the key that is claimed to have signed.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Returns the id of the key that is claimed to have signed.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the bytes after the id.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether this key is claimed to have signed: both name and id are equal.
    pub(crate) fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == *key.name() && self.id == key.id()
    }
}

/// A text with signatures, which are not verified. The text must not be trusted before one of them
/// is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Signs a text with one or more keys. During a rotation of keys, the old and the new key sign.
    ///
    /// # Errors
    /// When the text does not end with a line break, has other control characters, or is too long;
    /// when there is no key, or too many.
    pub fn sign(text: String, keys: &[&SigningKey]) -> Result<Self, TransparencyError> {
        check_text(&text)?;
        let signatures = keys.iter().map(|key| {
            let bytes = key.sign(text.as_bytes())?;
            Ok(NoteSignature::by(key.verifier(), bytes))
        });
        let signatures = signatures.collect::<Result<Vec<_>, TransparencyError>>()?;
        check_count(signatures.len())?;
        Ok(Self { text, signatures })
    }

    /// Returns the text, with the line break at its end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the signatures.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature, unless the note has it already. The caller has verified it.
    pub(crate) fn add(&mut self, signature: NoteSignature) -> Result<(), TransparencyError> {
        if !self.signatures.contains(&signature) {
            check_count(self.signatures.len() + 1)?;
            self.signatures.push(signature);
        }
        Ok(())
    }

    /// Removes the signatures by a key.
    pub(crate) fn remove_signatures_by(&mut self, key: &VerifierKey) {
        self.signatures.retain(|signature| !signature.is_by(key));
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.as_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(formatter, "{DASH}{} {}", self.name, base64::encode(&bytes))
    }
}

impl FromStr for NoteSignature {
    type Err = TransparencyError;

    /// Parses the line of a signature, without the line break.
    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let malformed = |reason| TransparencyError::MalformedNote { reason };
        let rest = line.strip_prefix(DASH);
        let rest = rest.ok_or_else(|| malformed("the line of a signature begins otherwise"))?;
        let parts = rest.split_once(' ');
        let (name, bytes) = parts.ok_or_else(|| malformed("a signature lacks its bytes"))?;
        let name = name
            .parse()
            .map_err(|_| malformed("the name of a key is invalid"))?;
        let bytes = base64::decode(bytes);
        let bytes = bytes.ok_or_else(|| malformed("a signature is not standard base64"))?;
        match bytes.split_first_chunk::<4>() {
            Some((id, bytes)) if !bytes.is_empty() => Ok(Self {
                name,
                id: KeyId::from_bytes(*id),
                bytes: bytes.to_vec(),
            }),
            _ => Err(malformed("a signature is too short")),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        let mut signatures = self.signatures.iter();
        signatures.try_for_each(|signature| writeln!(formatter, "{signature}"))
    }
}

impl FromStr for Note {
    type Err = TransparencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = |reason| TransparencyError::MalformedNote { reason };
        if text.len() > MAX_NOTE_BYTES {
            return Err(malformed("it is too long"));
        }
        // "The text is separated from the signatures by the last empty line in the note."
        let end = text.rfind("\n\n");
        let end = end.ok_or_else(|| malformed("no empty line separates the signatures"))?;
        let (body, signatures) = (&text[..=end], &text[end + 2..]);
        check_text(body)?;
        let lines = signatures.strip_suffix('\n');
        let lines = lines.ok_or_else(|| malformed("it does not end with a line break"))?;
        check_count(lines.split('\n').count())?;
        let signatures = lines.split('\n').map(str::parse);
        Ok(Self {
            text: body.to_owned(),
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }
}

/// C2SP signed-note, "Format": UTF-8 without control characters but the line break, which the text
/// ends with.
fn check_text(text: &str) -> Result<(), TransparencyError> {
    let reason = if text.len() > MAX_NOTE_BYTES {
        "it is too long"
    } else if !text.ends_with('\n') {
        "the text does not end with a line break"
    } else if text.chars().any(|c| c < ' ' && c != '\n') {
        "the text has a control character"
    } else {
        return Ok(());
    };
    Err(TransparencyError::MalformedNote { reason })
}

fn check_count(signatures: usize) -> Result<(), TransparencyError> {
    let reason = match signatures {
        0 => "it has no signature",
        1..=MAX_SIGNATURES => return Ok(()),
        _ => "it has too many signatures",
    };
    Err(TransparencyError::MalformedNote { reason })
}
