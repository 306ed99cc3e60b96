//! QEMU's guest agent: a program in the guest that hears of us over a virtio-serial port. It is asked to power off, and whether it is there.
//!
//! Source: QEMU, `qga/qapi-schema.json`, `docs/interop/qemu-ga.rst`: one JSON object a line; what a client before us left half said is
//! shaken off by `guest-sync-delimited`, whose answer comes behind a byte 0xFF; a shutdown that begins is not answered.

use std::path::Path;
use std::time::Duration;

use qmp::lines::Lines;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// An agent that is there answers at once; the guest may be busy.
const ANSWER: Duration = Duration::from_secs(5);
/// A refusal of a shutdown comes so soon, if it comes.
const REFUSAL: Duration = Duration::from_secs(1);
/// Bytes of a line.
const LINE: usize = 64 * 1024;
/// Ends what was left half said, on either side.
const SENTINEL: u8 = 0xff;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum GuestAgentError {
    #[error("the guest agent's socket: {0}")]
    Socket(#[from] std::io::Error),
    #[error("no guest agent answers: is qemu-guest-agent installed in the guest, and running?")]
    Silent,
    #[error("the guest agent refused to power off: {0}")]
    Refused(String),
}

/// Asks for a power-off. `Ok`: it was heard, and not refused.
///
/// # Errors
/// [`GuestAgentError`].
pub async fn power_off(socket: &Path) -> Result<(), GuestAgentError> {
    let mut talk = Talk { stream: UnixStream::connect(socket).await?, lines: Lines::new(LINE) };
    tokio::time::timeout(ANSWER, talk.sync()).await.map_err(|_| GuestAgentError::Silent)??;
    talk.say(&json!({ "execute": "guest-shutdown", "arguments": { "mode": "powerdown" } })).await?;
    match tokio::time::timeout(REFUSAL, talk.hear()).await {
        Ok(Ok(answer)) => match answer.get("error") {
            Some(error) => {
                let said = error.get("desc").and_then(Value::as_str).unwrap_or("without a reason");
                Err(GuestAgentError::Refused(said.chars().take(200).collect()))
            }
            None => Ok(()),
        },
        // Silence is consent, and the line ends with the guest.
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

/// Asks, again and again, until it answers; for ever if nobody does.
pub async fn until_it_answers(socket: &Path) {
    loop {
        let asked = async {
            let mut talk = Talk { stream: UnixStream::connect(socket).await?, lines: Lines::new(LINE) };
            talk.sync().await
        };
        // Beside a guest that boots: what is written before the agent listens waits in the port, and the next client clears it.
        let answered = tokio::time::timeout(ANSWER, asked).await;
        if matches!(answered, Ok(Ok(()))) {
            return;
        }
        tokio::time::sleep(REFUSAL).await;
    }
}

struct Talk {
    stream: UnixStream,
    lines: Lines,
}

impl Talk {
    async fn sync(&mut self) -> Result<(), GuestAgentError> {
        let id = u64::from(std::process::id()) << 20 | u64::from(chrono::Utc::now().timestamp_subsec_micros());
        self.stream.write_all(&[SENTINEL]).await?;
        self.say(&json!({ "execute": "guest-sync-delimited", "arguments": { "id": id } })).await?;
        // What an earlier client was to hear comes first.
        while self.hear().await?.get("return").and_then(Value::as_u64) != Some(id) {}
        Ok(())
    }

    async fn say(&mut self, message: &Value) -> std::io::Result<()> {
        self.stream.write_all(format!("{message}\n").as_bytes()).await
    }

    /// The next object; what is none is passed over.
    async fn hear(&mut self) -> Result<Value, GuestAgentError> {
        let mut piece = [0; 4096];
        loop {
            while let Some(line) = self.lines.next_line().map_err(std::io::Error::other)? {
                let from = line.iter().rposition(|byte| *byte == SENTINEL).map_or(0, |at| at + 1);
                if let Ok(value) = serde_json::from_slice(&line[from..]) {
                    return Ok(value);
                }
            }
            match self.stream.read(&mut piece).await? {
                0 => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                count => self.lines.push(&piece[..count]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::UnixListener;

    /// As the real one does, with what an earlier client left in the line; `refuses` to power off.
    async fn agent(listener: UnixListener, refuses: bool) -> Vec<String> {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut heard = Vec::new();
        let mut read = BufReader::new(read);
        write.write_all(b"{\"return\": {\"half").await.unwrap();
        loop {
            let mut line = Vec::new();
            if read.read_until(b'\n', &mut line).await.unwrap() == 0 {
                return heard;
            }
            let from = line.iter().rposition(|byte| *byte == SENTINEL).map_or(0, |at| at + 1);
            let command: Value = serde_json::from_slice(&line[from..]).unwrap();
            heard.push(command["execute"].as_str().unwrap().to_owned());
            if command["execute"] == "guest-sync-delimited" {
                write.write_all(b"\n{\"return\": 7}\n\xff").await.unwrap();
                write
                    .write_all(format!("{}\n", json!({ "return": command["arguments"]["id"] })).as_bytes())
                    .await
                    .unwrap();
            } else if refuses {
                write
                    .write_all(b"{\"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}}\n")
                    .await
                    .unwrap();
            } else {
                return heard;
            }
        }
    }

    #[tokio::test]
    async fn an_agent_that_comes_late_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let late = async {
            tokio::task::yield_now().await;
            agent(UnixListener::bind(&socket).unwrap(), false).await
        };
        let ((), heard) = tokio::join!(until_it_answers(&socket), late);
        assert_eq!(heard, ["guest-sync-delimited"]);
    }

    #[tokio::test]
    async fn a_shutdown_is_asked_for_after_the_line_was_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let none = power_off(&folder.path().join("none")).await.unwrap_err();
        assert!(matches!(none, GuestAgentError::Socket(_)));
        for refuses in [false, true] {
            let socket = folder.path().join(format!("s{refuses}"));
            let listener = UnixListener::bind(&socket).unwrap();
            let (asked, heard) = tokio::join!(power_off(&socket), agent(listener, refuses));
            assert_eq!(heard, ["guest-sync-delimited", "guest-shutdown"]);
            match asked {
                Ok(()) => assert!(!refuses),
                Err(error) => assert!(refuses && error.to_string().contains("not today"), "{error}"),
            }
        }
    }
}
