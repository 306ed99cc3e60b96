//! Fetching the rescue image, verified. Touches no guest.

use artifact::Wanted;
use types::operation::{Failure, FailureCode, Outcome};

use super::actor::{Cx, Guest};
use super::failure;

impl Guest {
    pub(super) async fn prepare(&mut self, image: &Wanted, endpoints: &[String], cx: &Cx) -> Result<Outcome, Failure> {
        cx.progress.say("waiting for other downloads");
        let permit = cx.unless_overtaken(self.env.downloads.acquire()).await?;
        let _permit = permit.map_err(|_| failure(FailureCode::Internal, "the host is shutting down"))?;
        let total = image.kernel.size.saturating_add(image.initramfs.size);
        cx.progress.say_bytes("fetching the manifest", 0, total);
        let progress = |bytes: u64, total: u64| {
            let mb = |bytes: u64| bytes as f64 / 1e6;
            let text = format!("downloading kernel and initramfs, {:.1} of {:.1} MB", mb(bytes), mb(total));
            cx.progress.say_bytes(text, bytes, total);
        };
        let prepared = cx.unless_overtaken(self.env.images.prepare(endpoints, image, progress)).await?;
        let prepared = prepared.map_err(|error| failure(error.code(), error.to_string()))?;
        metrics::counter!("host_boot_file_bytes_total").increment(prepared.downloaded);
        Ok(Outcome::Prepared { bytes_downloaded: prepared.downloaded, from: prepared.from })
    }
}
