//! The ids of the AWS calls that led to an event.

use std::sync::{Mutex, PoisonError};

/// The most ids that one event has. An attempt that sends more calls keeps the last ones.
const MOST: usize = 100;

/// The longest id, in bytes.
const LONGEST: usize = 128;

/// Collects the ids that AWS gave to calls, so that an event of the audit log names them and
/// CloudTrail's records of the calls can be found.
#[derive(Debug, Default)]
pub(crate) struct CallTrail(Mutex<Vec<String>>);

impl CallTrail {
    /// Adds an id, if it can be one: AWS's are visible ASCII characters, and the service believes no more.
    pub(crate) fn add(&self, request_id: &str) {
        let is_visible = |byte: u8| byte.is_ascii_graphic();
        let is_id = (1..=LONGEST).contains(&request_id.len()) && request_id.bytes().all(is_visible);
        if !is_id {
            return;
        }
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() == MOST {
            ids.remove(0);
        }
        ids.push(request_id.to_owned());
    }

    /// Returns the ids since the last [`CallTrail::clear`], in the order of the answers.
    pub(crate) fn ids(&self) -> Vec<String> {
        let ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.clone()
    }

    /// Begins anew, after the ids were recorded.
    pub(crate) fn clear(&self) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ids_are_kept() {
        let trail = CallTrail::default();
        for number in 0..=MOST {
            trail.add(&number.to_string());
        }
        for no_id in ["", "a b", "ä", &"x".repeat(LONGEST + 1)] {
            trail.add(no_id);
        }
        let ids = trail.ids();
        assert_eq!(ids.len(), MOST);
        assert_eq!(ids.first().map(String::as_str), Some("1"));
        trail.clear();
        assert!(trail.ids().is_empty());
    }
}
