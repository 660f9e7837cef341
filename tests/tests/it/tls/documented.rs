//! The documented commands for certificates do what the documentation says.

use std::path::Path;
use std::process::Command;

use engine_roles_e2e::tls::{Pair, client_config, connect};
use engine_roles_e2e::{Installation, RawConnection, eventually};
use tokio_rustls::rustls::ALL_VERSIONS;

/// Returns the commands below a heading of `docs/operations.md`.
fn commands(heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = std::fs::read_to_string(path).expect("the page can be read");
    let (_, section) = text.split_once(heading).expect("the page has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_commands_make_certificates_with_which_the_service_can_be_reached() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let read = |name: &str| std::fs::read_to_string(file(name)).expect("the file was made");
    let commands = commands("\n### Certificates for a test\n");
    let [openssl @ .., serve, status] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!(openssl.len(), 5, "{openssl:?}");
    for command in openssl {
        assert!(command.starts_with("openssl "), "{command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(directory.path());
        let output = shell.output().expect("a shell can be run");
        assert!(output.status.success(), "{command}: {output:?}");
    }
    let (settings, program) = serve.split_once(" engine-roles ").expect("a command");
    assert_eq!(program, "serve &");
    let mut builder = Installation::build().trusting(&read("ca.crt"));
    for setting in settings.split(' ') {
        let (name, value) = setting.split_once('=').expect("a variable");
        builder = builder.env(name, file(value));
    }
    let installation = builder.start().await;
    let address = installation.replicas[0].address();
    let status = status.replace("3283", &address.port().to_string());
    let arguments = status.split(' ').skip(1);
    let arguments: Vec<String> = arguments
        .map(|word| match word {
            "ca.crt" => file(word),
            _ => word.to_owned(),
        })
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = installation.run(&arguments, &[]);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let client = Pair {
        certificate: read("client.crt"),
        key: read("client.key"),
    };
    let config = client_config(&read("ca.crt"), ALL_VERSIONS, Some(&client));
    let stream = connect(address, config).await.expect("a handshake");
    let mut connection = RawConnection::over(stream);
    let request = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(connection.exchange(request).await.status, 404);
    let log = || installation.replicas[0].log().text();
    eventually("the client is known", async || {
        let is_known = log().contains(r#""client_certificate":"cn:manager""#);
        is_known.then_some(())
    })
    .await;
    let warned = log().contains("TLS key can be read");
    assert!(!warned, "openssl makes keys that only their owner can read");
}
