//! Where the demonstration plays: a temporary directory, this very program as the command, sockets,
//! and a transcript of what really happened.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::http::{self, Response};
use crate::cli::failure::Failure;
use crate::cli::ui::{Ui, clean};
use crate::gateway::echo::Echo;

/// The stage. What it made is gone when it is dropped.
pub(super) struct Stage<'u> {
    ui: &'u Ui,
    program: PathBuf,
    props: Props,
    backend: SocketAddr,
    lines: RefCell<Option<Receiver<String>>>,
    gateway: Cell<Option<SocketAddr>>,
    failures: Cell<usize>,
}

/// What is shown of an answer.
#[derive(Clone, Copy)]
pub(super) enum Show {
    /// Everything.
    Whole,
    /// Status and headers.
    Head,
    /// Those, and the request as the backend saw it.
    Seen,
}

/// What has to be cleared away, by whoever gets to it.
#[derive(Clone)]
struct Props {
    dir: PathBuf,
    server: Arc<Mutex<Option<Child>>>,
}

/// What a command said.
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl<'u> Stage<'u> {
    /// Makes the temporary directory, readable by this user only.
    pub(super) fn set(ui: &'u Ui) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::cannot("cannot find this program's own file").because(&e))?;
        let dir = std::env::temp_dir().join(format!("kgate-demo-{}", std::process::id()));
        // Fails if somebody put something there first, which is what one wants of a name that can be
        // guessed.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|e| Failure::cannot(format!("cannot make `{}`", dir.display())).because(&e))?;
        let props = Props { dir, server: Arc::default() };
        let backend = go_backstage(props.clone())
            .map_err(|e| Failure::cannot("cannot start the demonstration's backend").because(&e))?;
        Ok(Self {
            ui,
            program,
            props,
            backend,
            lines: RefCell::default(),
            gateway: Cell::default(),
            failures: Cell::default(),
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.props.dir
    }

    /// Returns how many things were not as they should be.
    pub(super) fn failures(&self) -> usize {
        self.failures.get()
    }

    /// Begins a step.
    pub(super) fn step(&self, title: &str) -> Result<(), Failure> {
        self.print(&format!("\n{}\n", self.ui.paint_result(title, "1;36")))
    }

    /// Tells in a sentence what is going on.
    pub(super) fn tell(&self, text: &str) -> Result<(), Failure> {
        self.print(&format!("{}\n", self.ui.paint_result(&format!("# {text}"), "2")))
    }

    /// Prints output, indented.
    pub(super) fn quote(&self, text: &str, code: &str) -> Result<(), Failure> {
        for line in text.lines() {
            self.print(&format!("  {}\n", self.ui.paint_result(&clean(line), code)))?;
        }
        Ok(())
    }

    /// Prints whether a promise was kept, and remembers if not.
    pub(super) fn expect(&self, kept: bool, promise: &str) -> Result<(), Failure> {
        let mark = if kept {
            self.ui.paint_result("✓", "1;32")
        } else {
            self.failures.set(self.failures.get() + 1);
            self.ui.paint_result("✗ NOT SO:", "1;31")
        };
        self.print(&format!("{mark} {promise}\n"))
    }

    /// Returns where the backend listens that echoes what it is sent.
    pub(super) fn backend(&self) -> SocketAddr {
        self.backend
    }

    /// Adds to the configuration `init` wrote, with free ports instead of the usual ones, and with time to read a store
    /// that has just changed: what is shown is what holds, however busy the machine is.
    pub(super) fn extend_configuration(&self, additions: &str) -> Result<(), Failure> {
        let path = self.props.dir.join("kgate.toml");
        fs::read_to_string(&path)
            .map(|text| {
                text.replace("127.0.0.1:8080", "127.0.0.1:0")
                    .replace("127.0.0.1:8081", "127.0.0.1:0")
                    .replace("\n[server]\n", "\n[server]\nfresh_within = \"10s\"\n")
            })
            .and_then(|text| fs::write(&path, text + additions))
            .map_err(|e| Failure::cannot("cannot extend the configuration").because(&e))
    }

    /// Writes a file below the stage and shows it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        self.command_line(&format!("cat {name}"))?;
        self.quote(text, "")?;
        let path = self.props.dir.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| Failure::cannot(format!("cannot write `{}`", path.display())).because(&e))
    }

    /// Runs `kgate` with `arguments` as a user would, and shows what it said.
    pub(super) fn kgate(&self, arguments: &[&str]) -> Result<Said, Failure> {
        self.command_line(&command_text(arguments))?;
        self.run(arguments)
    }

    /// The same, shown as keeping its output in the shell variable `name`.
    pub(super) fn kgate_into(&self, name: &str, arguments: &[&str]) -> Result<Said, Failure> {
        self.command_line(&format!("{name}=$({})", command_text(arguments)))?;
        self.run(arguments)
    }

    fn run(&self, arguments: &[&str]) -> Result<Said, Failure> {
        let output = self
            .command(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| Failure::cannot("cannot run this program again").because(&e))?;
        let said = Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        self.quote(&said.stderr, "2")?;
        self.quote(&said.stdout, "")?;
        Ok(said)
    }

    /// Starts `kgate serve` and waits until it says where it listens.
    pub(super) fn serve(&self) -> Result<(), Failure> {
        self.command_line("kgate serve &")?;
        let mut child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::cannot("cannot run this program again").because(&e))?;
        let (sender, lines) = channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        *self.props.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        *self.lines.borrow_mut() = Some(lines);
        while let Some(line) = self.server_line(|_| true) {
            self.quote(&line, "2")?;
            if let Some(address) = gateway_address(&line) {
                self.gateway.set(Some(address));
                return Ok(());
            }
        }
        Err(Failure::cannot("`kgate serve` did not say where it listens"))
    }

    /// Returns the next line of the server's output that `wanted` accepts, waiting for it.
    pub(super) fn server_line(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let lines = self.lines.borrow();
        let lines = lines.as_ref()?;
        loop {
            let line = lines.recv_timeout(PATIENCE).ok()?;
            if wanted(&line) {
                return Some(line);
            }
        }
    }

    /// Asks the gateway for `target`, and shows request and answer. `key` is a token and the name of
    /// the shell variable a user would keep it in.
    pub(super) fn curl(&self, target: &str, key: (&str, &str), show: Show) -> Result<Response, Failure> {
        let request = self.request_text(target, key.1)?;
        self.command_line(&match show {
            Show::Whole => format!("curl -i {request}"),
            Show::Head => format!("curl -s -o /dev/null -D - {request}"),
            Show::Seen => format!("curl -s -D /dev/stderr {request} | jq -r .head"),
        })?;
        let response = self.ask(target, key.0)?;
        let head: Vec<&str> = response.head.lines().filter(|line| is_telling(line)).collect();
        self.quote(&head.join("\n"), "33")?;
        match show {
            Show::Whole => self.quote(&response.body, "")?,
            Show::Head => {}
            Show::Seen => self.quote(response.seen().trim_end(), "")?,
        }
        Ok(response)
    }

    /// Returns what follows `curl` in a request with the key in the shell variable `name`.
    pub(super) fn request_text(&self, target: &str, name: &str) -> Result<String, Failure> {
        Ok(format!("http://{}{target} -H \"Authorization: Bearer ${name}\"", self.gateway()?))
    }

    /// Asks the gateway for `target` without showing it.
    pub(super) fn ask(&self, target: &str, token: &str) -> Result<Response, Failure> {
        ask(self.gateway()?, target, token)
    }

    /// Shows a command line.
    pub(super) fn command_line(&self, text: &str) -> Result<(), Failure> {
        let prompt = self.ui.paint_result("$", "32");
        self.print(&format!("{prompt} {}\n", self.ui.paint_result(text, "1")))
    }

    /// Returns where the gateway listens.
    pub(super) fn gateway(&self) -> Result<SocketAddr, Failure> {
        self.gateway.get().ok_or_else(|| Failure::cannot("the gateway is not running"))
    }

    /// This program in the stage's directory, away from the user's own configuration.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(&self.props.dir)
            .env_remove("KGATE_CONFIG")
            .env_remove("KGATE_DATA_DIR");
        command
    }

    fn print(&self, text: &str) -> Result<(), Failure> {
        self.ui.raw(text.as_bytes())?;
        self.ui.flush()
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        drop(self.props.clear());
    }
}

impl Props {
    /// Ends the server and removes the directory. Whoever else wants to has to wait for the returned
    /// guard.
    fn clear(&self) -> MutexGuard<'_, Option<Child>> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut server) = server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        // A command that is just running may still put a file there.
        let _ = (0..5).find(|_| fs::remove_dir_all(&self.dir).is_ok());
        server
    }
}

/// Runs what has to go on while the steps play, until the process ends: the backend, and clearing the
/// stage when the user has seen enough. Returns where the backend listens.
fn go_backstage(props: Props) -> io::Result<SocketAddr> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let echo = runtime.block_on(Echo::start())?;
    let address = echo.address();
    let (mut interrupt, mut terminate, mut hang_up) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
    };
    thread::spawn(move || {
        let number = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
                _ = hang_up.recv() => 1,
            }
        });
        drop(echo);
        // Held, so that the steps, whose server is gone, cannot fail and exit before this does.
        let _held = props.clear();
        // As a shell reports a program that a signal ended.
        std::process::exit(128 + number);
    });
    Ok(address)
}

/// Asks the gateway at `gateway` for `target` with a key.
pub(super) fn ask(gateway: SocketAddr, target: &str, token: &str) -> Result<Response, Failure> {
    let credential = format!("Bearer {token}");
    http::request(gateway, "GET", target, &[("Authorization", &credential)])
        .map_err(|e| Failure::cannot("the gateway did not answer").because(&e))
}

/// Sends the lines of `source` on until it ends.
fn forward(source: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(source) = source else { return };
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}

/// Finds the gateway's address in the line that says it serves.
fn gateway_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("serves on ")?;
    rest.split([' ', ',']).find_map(|word| word.trim_end_matches(':').parse().ok())
}

/// The headers that say something here; the rest (dates, lengths) would only be in the way.
fn is_telling(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("http/")
        || name.starts_with("x-")
        || name.starts_with("ratelimit")
        || ["www-authenticate", "retry-after", "content-type"].contains(&&*name)
}

/// Returns a command as a user would type it.
fn command_text(arguments: &[&str]) -> String {
    let words: Vec<String> = arguments.iter().map(|a| shell_word(a)).collect();
    format!("kgate {}", words.join(" "))
}

fn shell_word(word: &str) -> String {
    if word.contains([' ', '*', '$', '"', '(']) { format!("'{word}'") } else { word.to_owned() }
}

/// How long the server may take to say something.
const PATIENCE: Duration = Duration::from_secs(20);
