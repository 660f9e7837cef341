//! The text of an error with its causes.

use std::error::Error;

use engine_roles_store::text_of;

/// Returns the text of an error with all its causes. A cause that the text before already ends with is
/// left out: some errors repeat their cause in their own text.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut chain = text_of(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = text_of(error);
        if !chain.ends_with(&text) {
            chain = format!("{chain}: {text}");
        }
        cause = error.source();
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Layer {
        #[error("above")]
        Above(#[source] Box<Layer>),
        #[error("answered: {0}")]
        Repeats(#[source] Box<Layer>),
        #[error("no table")]
        Cause,
    }

    #[test]
    fn a_cause_that_is_repeated_is_shown_once() {
        let repeats = Layer::Repeats(Box::new(Layer::Cause));
        let error = Layer::Above(Box::new(repeats));
        assert_eq!(chain(&error), "above: answered: no table");
        let error = Layer::Above(Box::new(Layer::Cause));
        assert_eq!(chain(&error), "above: no table");
    }
}
