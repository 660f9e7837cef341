//! The standard variables of OpenTelemetry that decide whether traces are sent. Source:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.

/// The variables that name a collector, the more specific one first.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// Whether the environment asks for traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No collector is named, or traces are switched off.
    No,
    /// Traces go to the collector in this variable.
    To {
        /// The name of the variable.
        variable: &'static str,
        /// Its value, which may contain a password.
        endpoint: String,
    },
    /// A variable asks for something that this program can't do.
    Unsupported {
        /// The name of the variable.
        variable: &'static str,
        /// What its value must be.
        rule: &'static str,
    },
}

/// Returns whether variables ask for traces. An empty variable counts as not set.
pub(crate) fn wanted(variable: impl Fn(&str) -> Option<String>) -> Wanted {
    let value = |name| variable(name).filter(|value| !value.is_empty());
    let is_disabled =
        value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut named = ENDPOINTS
        .into_iter()
        .filter_map(|name| Some((name, value(name)?)));
    let Some((variable, endpoint)) = named.next().filter(|_| !is_disabled) else {
        return Wanted::No;
    };
    match value("OTEL_TRACES_EXPORTER").as_deref() {
        None | Some("otlp") => {}
        Some("none") => return Wanted::No,
        Some(_) => {
            return Wanted::Unsupported {
                variable: "OTEL_TRACES_EXPORTER",
                rule: "must be otlp or none",
            };
        }
    }
    for variable in [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ] {
        match value(variable).as_deref() {
            None => {}
            Some("http/protobuf") => break,
            Some(_) => {
                return Wanted::Unsupported {
                    variable,
                    rule: "must be http/protobuf",
                };
            }
        }
    }
    Wanted::To { variable, endpoint }
}

/// Returns [`wanted`] for the environment of this process.
pub(crate) fn wanted_here() -> Wanted {
    wanted(|name| std::env::var(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Wanted {
        wanted(|name| {
            let mut found = variables.iter().filter(|(variable, _)| *variable == name);
            found.next().map(|(_, value)| (*value).to_owned())
        })
    }

    fn to(variable: &'static str, endpoint: &str) -> Wanted {
        let endpoint = endpoint.to_owned();
        Wanted::To { variable, endpoint }
    }

    #[test]
    fn traces_are_sent_only_where_a_collector_is_named() {
        let [traces, general] = ENDPOINTS;
        let disabled = ("OTEL_SDK_DISABLED", "TRUE");
        let none = ("OTEL_TRACES_EXPORTER", "none");
        for (variables, expected) in [
            (vec![], Wanted::No),
            (vec![(general, "")], Wanted::No),
            (vec![(general, "http://a")], to(general, "http://a")),
            (
                vec![(general, "http://a"), (traces, "http://b")],
                to(traces, "http://b"),
            ),
            (
                vec![(general, "http://a"), (traces, "")],
                to(general, "http://a"),
            ),
            (vec![(general, "http://a"), disabled], Wanted::No),
            (vec![(general, "http://a"), none], Wanted::No),
            (
                vec![(general, "http://a"), ("OTEL_SDK_DISABLED", "1")],
                to(general, "http://a"),
            ),
        ] {
            assert_eq!(of(&variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn another_exporter_or_protocol_is_not_supported() {
        let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a");
        for (variable, value) in [
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ] {
            let found = of(&[collector, (variable, value)]);
            let Wanted::Unsupported { variable: name, .. } = found else {
                panic!("{variable}: {found:?}");
            };
            assert_eq!(name, variable);
        }
        let traces_decide = of(&[
            collector,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ]);
        assert!(matches!(traces_decide, Wanted::To { .. }));
    }
}
