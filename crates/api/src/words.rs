//! Maps the enumerations of the domain to those of the wire format, and back.

use engine_roles_contract as contract;
use engine_roles_domain::binding::State;
use engine_roles_domain::cluster::Mode;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

pub(crate) fn mode_to_wire(mode: Mode) -> contract::Mode {
    match mode {
        Mode::Create => contract::Mode::Create,
        Mode::PassThrough => contract::Mode::PassThrough,
    }
}

pub(crate) fn mode_from_wire(mode: contract::Mode) -> Mode {
    match mode {
        contract::Mode::Create => Mode::Create,
        contract::Mode::PassThrough => Mode::PassThrough,
    }
}

pub(crate) fn state_to_wire(state: State) -> contract::State {
    match state {
        State::Provisioning => contract::State::Provisioning,
        State::Active => contract::State::Active,
        State::Deleting => contract::State::Deleting,
        State::Deleted => contract::State::Deleted,
        State::Failed => contract::State::Failed,
        State::Blocked => contract::State::Blocked,
    }
}

pub(crate) fn state_from_wire(state: contract::State) -> State {
    match state {
        contract::State::Provisioning => State::Provisioning,
        contract::State::Active => State::Active,
        contract::State::Deleting => State::Deleting,
        contract::State::Deleted => State::Deleted,
        contract::State::Failed => State::Failed,
        contract::State::Blocked => State::Blocked,
    }
}

/// Parses a word of a query string as a member of a body would be parsed; `None` where the word is
/// unknown.
pub(crate) fn read_word<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    let reader = IntoDeserializer::<'de, Error>::into_deserializer(text);
    T::deserialize(reader).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_word_is_the_same_in_the_domain_and_on_the_wire() {
        for state in State::ALL {
            assert_eq!(json!(state_to_wire(state)), state.as_str());
            let read: contract::State = read_word(state.as_str()).expect("a state");
            assert_eq!(state_from_wire(read), state);
        }
        for mode in [Mode::Create, Mode::PassThrough] {
            assert_eq!(json!(mode_to_wire(mode)), mode.as_str());
            let read: contract::Mode = read_word(mode.as_str()).expect("a mode");
            assert_eq!(mode_from_wire(read), mode);
        }
        assert_eq!(read_word::<contract::Mode>("Create"), None);
        assert_eq!(read_word::<contract::State>(""), None);
    }
}
