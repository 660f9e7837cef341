//! Runs the service from a container image in place of the binary, if `ENGINE_ROLES_TEST_IMAGE` names
//! an image. The container shares the machine's network and its directory for temporary files.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::binary::service_binary;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A container of the service.
#[derive(Debug)]
pub(crate) struct Container {
    name: String,
    image: String,
}

impl Container {
    /// Returns a container in place of this binary; none where the binary is to be run itself.
    pub(crate) fn in_place_of(binary: &Path) -> Option<Self> {
        let image = env::var("ENGINE_ROLES_TEST_IMAGE").ok()?;
        if image.is_empty() || binary != service_binary() {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("engine-roles-test-{}-{number}", std::process::id());
        Some(Self { name, image })
    }

    /// Returns the command that runs the container in the foreground, with the restrictions of
    /// `docker/compose.yaml`. The values of the environment are not in its arguments.
    pub(crate) fn command(
        &self,
        arguments: &[&str],
        environment: &BTreeMap<String, String>,
    ) -> Command {
        let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
        let files = env::temp_dir();
        let mut command = Command::new("docker");
        command
            .args(["run", "--rm", "--network=host", "--read-only"])
            .args(["--cap-drop=ALL", "--security-opt=no-new-privileges"])
            // Files of the tests can be read by their user alone.
            .arg(format!("--user={}:{}", uid.as_raw(), gid.as_raw()))
            .arg(format!("--volume={0}:{0}", files.display()))
            .args(["--name", &self.name]);
        for name in environment.keys() {
            command.args(["--env", name]);
        }
        command.args([&self.image, "engine-roles"]).args(arguments);
        command
    }

    /// Returns the id of the service's process on this machine.
    ///
    /// # Panics
    /// When the container does not run.
    pub(crate) fn pid(&self) -> u32 {
        let arguments = ["inspect", "--format={{.State.Pid}}", &self.name];
        let output = Command::new("docker").args(arguments).output();
        let output = output.expect("docker can be run").stdout;
        let text = String::from_utf8_lossy(&output);
        let pid = text.trim().parse().ok().filter(|pid| *pid != 0);
        pid.unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// Ends and removes the container if it still exists.
    pub(crate) fn remove(&self) {
        let arguments = ["rm", "--force", &self.name];
        // Fails only if the container is gone already.
        let _ = Command::new("docker").args(arguments).output();
    }
}
