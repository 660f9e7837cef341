//! The cursor of a list: where the next page begins, as text that a client sends back unread.

use data_encoding::BASE64URL_NOPAD;
use engine_roles_domain::cluster::ClusterName;
use engine_roles_store::ListPosition;

/// Returns the cursor of the page after this position.
pub(crate) fn encode(position: &ListPosition) -> String {
    let text = format!("{}/{}", position.cluster, position.generation);
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// Reads a cursor; none when [`encode`] did not make it.
pub(crate) fn decode(cursor: &str) -> Option<ListPosition> {
    let text = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    let (cluster, generation) = str::from_utf8(&text).ok()?.split_once('/')?;
    Some(ListPosition {
        cluster: ClusterName::parse(cluster).ok()?,
        generation: generation.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_the_position_that_it_was_made_of() {
        for (cluster, generation) in [("a", 1), ("Z-9_", i64::MAX)] {
            let position = ListPosition {
                cluster: cluster.parse().expect("a cluster"),
                generation,
            };
            let cursor = encode(&position);
            assert!(!cursor.contains(cluster), "{cursor}");
            assert_eq!(decode(&cursor), Some(position));
        }
    }

    #[test]
    fn text_that_is_no_cursor_is_not_read() {
        let encoded = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        for text in [
            String::new(),
            "nonsense".to_owned(),
            "a/1".to_owned(),
            "0198c7a4-5b1e-7c3f-9a55-0c8a3d1f2b4e".to_owned(),
            encoded("a"),
            encoded("a/"),
            encoded("a/x"),
            encoded("*/1"),
            format!("{}=", encoded("a/1")),
        ] {
            assert_eq!(decode(&text), None, "{text}");
        }
    }
}
