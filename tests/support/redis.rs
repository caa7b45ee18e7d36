//! A `redis-server` of a test's own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::folder::Folder;

/// A Redis that ends with the test. It keeps nothing on the disk.
pub(crate) struct Redis {
    child: Child,
    /// Keeps the pipe open: a Redis that cannot log ends.
    _log: BufReader<ChildStdout>,
    folder: Folder,
    port: u16,
}

impl Redis {
    /// Starts one, and waits until it takes connections.
    pub(crate) fn start(name: &str) -> Redis {
        let folder = Folder::new(&format!("redis-{name}"));
        // Between the look and the start somebody else may take the port.
        let (child, log, port) = (0..20)
            .find_map(|_| {
                let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
                launch(&folder, port).map(|(child, log)| (child, log, port))
            })
            .expect("redis-server ends at once");
        Redis { child, _log: log, folder, port }
    }

    /// Its address on the loopback.
    pub(crate) fn tcp(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The address of its Unix socket.
    pub(crate) fn unix(&self) -> String {
        format!("redis+unix://{}", self.folder.path("socket"))
    }

    /// Ends it, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`kill`](Redis::kill), empty and at the same Unix socket.
    pub(crate) fn restart(&mut self) {
        let (child, log) = launch(&self.folder, 0).expect("redis-server ends at once");
        (self.child, self._log) = (child, log);
    }

    /// What `redis-cli` says, a line each.
    pub(crate) fn cli(&self, args: &[&str]) -> Vec<String> {
        let output = Command::new("redis-cli").args(["-s", &self.folder.path("socket")]).args(args).output();
        let output = output.expect("the tests need redis-cli, of Debian's redis-tools");
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

/// `None` when it ends instead of taking connections. Port 0 is none.
fn launch(folder: &Folder, port: u16) -> Option<(Child, BufReader<ChildStdout>)> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--unixsocket", &folder.path("socket")])
        .args(["--save", "", "--appendonly", "no", "--dir", &folder.path("")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tests need redis-server, of Debian's package of that name");
    let mut log = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while log.read_line(&mut line).unwrap() > 0 {
        // With two ways to it, it says so twice; it listens on both before it says either.
        if line.contains("eady to accept connections") {
            return Some((child, log));
        }
        line.clear();
    }
    child.wait().unwrap();
    None
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
