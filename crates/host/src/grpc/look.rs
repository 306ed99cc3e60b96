//! What can be seen of a guest without asking its owner: files, and the screen.

use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use proto::host::v1 as pb;
use qmp::command::Screendump;
use qmp::{Limits, Qmp, QmpError};
use rustix::fs::OFlags;
use tonic::Status;
use types::status::PowerState;

use crate::guest::manager::Handle;
use crate::guest::start::Boot;
use crate::guest::stop::StopRecord;
use crate::guest::{host_devices, serial};
use crate::qemu::host_device::Tree;

/// Bytes of the serial log that are given unasked, and at most.
const LOG: u32 = 64 * 1024;
const LOG_MOST: u32 = 1024 * 1024;
/// Bytes of a picture: 4096 by 4096 in plain colours is 48 MiB.
const PICTURE: u64 = 64 << 20;

pub fn guest(handle: &Handle) -> pb::GetGuestResponse {
    let (report, paths) = (handle.view().report, handle.paths());
    let runs = report.power != PowerState::Shutoff;
    let pid = std::fs::read_to_string(paths.pid_file()).ok().filter(|_| runs);
    let stop = StopRecord::read(&paths.last_stop()).map(|record| pb::StopRecord {
        ended_unix_ms: record.ended.timestamp_millis(),
        steps: record.steps.iter().map(|it| pb::StopStep { how: it.how.to_string(), seconds: it.seconds }).collect(),
    });
    pb::GetGuestResponse {
        guest: Some(report.into()),
        started_unix_ms: Boot::read(&paths.boot()).map_or(0, |boot| boot.began.timestamp_millis()),
        pid: pid.and_then(|text| text.trim().parse().ok()).unwrap_or(0),
        last_stop: stop,
        notice: notices(handle),
    }
}

/// What somebody should look at.
fn notices(handle: &Handle) -> String {
    let torn = Some(crate::guest::recover::notice(handle.paths())).filter(|it| !it.is_empty());
    let desc = handle.desc().ok().flatten();
    let missing = desc.map_or_else(Vec::new, |stored| host_devices::missing(&stored.desc, &Tree::default()));
    let silent = handle.view().silent_since.map(|last| {
        let seconds = last.elapsed().as_secs();
        format!(
            "the rescue system was not heard for {seconds} s; it may hang: look at its console, or reset the server"
        )
    });
    torn.into_iter().chain(missing).chain(silent).collect::<Vec<_>>().join("; ")
}

#[allow(clippy::result_large_err, reason = "tonic's own error type")]
pub fn serial_log(handle: &Handle, wanted: u32) -> Result<pb::GetSerialLogResponse, Status> {
    let most = if wanted == 0 { LOG } else { wanted.min(LOG_MOST) };
    let log = handle.paths().serial_log();
    let data =
        serial::recent(&log, most.into()).map_err(|error| Status::internal(format!("the serial log: {error}")))?;
    // Before the log was begun anew, the latest boot is all that is there.
    let (end, began) = (serial::length(&log), Boot::read(&handle.paths().boot()).map_or(0, |boot| boot.serial_from));
    let behind = if began > end { data.len() as u64 } else { (end - began).min(data.len() as u64) };
    let boot_offset = u32::try_from(data.len() as u64 - behind).unwrap_or(0);
    Ok(pb::GetSerialLogResponse { data, boot_offset })
}

/// Over the operator's socket: the agent's own belongs to the guest's owner.
pub async fn screendump(handle: &Handle) -> Result<pb::ScreendumpResponse, Status> {
    let sockets = handle.paths().sockets();
    let none = |error: QmpError| {
        tracing::debug!(guest = %handle.view().report.guest, error = %error, "no picture of the screen");
        match error {
            QmpError::Refused { .. } | QmpError::Connect { .. } => {
                Status::failed_precondition("the guest shows no screen: it is off, or was started without VNC")
            }
            other => Status::unavailable(format!("{other}: somebody may hold the operator's socket")),
        }
    };
    let (qmp, _events) = Qmp::connect(&sockets.operator, Limits::default()).await.map_err(none)?;
    // One connection at a time, so one picture at a time.
    let file = sockets.operator.with_extension("screen");
    let dump = |format: Option<&str>| {
        let (filename, format) = (file.to_string_lossy().into_owned(), format.map(str::to_owned));
        qmp.execute(Screendump { filename, format })
    };
    // PNG is in QEMU since 7.1, where it was built with it.
    let format = match dump(Some("png")).await {
        Ok(_) => "png",
        Err(QmpError::Refused { .. }) => dump(None).await.map(|_| "ppm").map_err(none)?,
        Err(error) => return Err(none(error)),
    };
    let image = picture(&file).map_err(|error| Status::internal(format!("the picture: {error}")));
    let _ = std::fs::remove_file(&file);
    let image = image?;
    Ok(pb::ScreendumpResponse { format: format.into(), image })
}

/// What QEMU wrote into a folder of its own. It may not be our friend: a link, a pipe or an endless file in its place is refused.
fn picture(path: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let data = file.metadata()?;
    if !data.is_file() || data.len() > PICTURE {
        return Err(io::Error::other("QEMU left something else in its place"));
    }
    let mut image = Vec::new();
    file.take(PICTURE).read_to_end(&mut image)?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, pipe) = (folder.path().join("f"), folder.path().join("l"), folder.path().join("p"));
        std::fs::write(&file, b"png").unwrap();
        assert_eq!(picture(&file).unwrap(), b"png");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!([&link, &pipe, &folder.path().to_owned()].iter().all(|path| picture(path).is_err()));
        std::fs::File::options().write(true).open(&file).unwrap().set_len(PICTURE + 1).unwrap();
        assert!(picture(&file).is_err());
    }
}
