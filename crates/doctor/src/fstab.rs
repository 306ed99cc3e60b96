//! `/etc/fstab`, line by line, as fstab(5) has it.

/// A line that is neither empty nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    pub text: String,
    /// As written; `\040` and its like are resolved.
    pub device: String,
    pub point: String,
    pub kind: String,
    pub options: String,
    /// Dump and pass, and what else there is.
    pub rest: Vec<String>,
    fields: usize,
}

impl Line {
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|o| o == option)
    }

    /// Whether the boot goes on without it.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.has("nofail") || self.has("noauto") || self.point == "none" || self.kind == "swap" || self.kind == "ignore"
    }

    #[must_use]
    pub fn is_network(&self) -> bool {
        self.has("_netdev")
            || matches!(self.kind.as_str(), "nfs" | "nfs4" | "cifs" | "smb3" | "glusterfs" | "ceph" | "9p" | "virtiofs")
    }

    /// `line 3: LABEL=x /data ext4 defaults 0 2`.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("/etc/fstab line {}: {}", self.number, crate::tools::clean(&crate::tools::masked(self.text.trim())))
    }

    /// What is wrong with its form; None where it is right.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let numeric = |text: &String| text.bytes().all(|b| b.is_ascii_digit());
        if self.fields < 3 {
            return Some(format!("it has {} of at least 3 fields (device, mount point, type)", self.fields));
        }
        if !self.point.starts_with('/') && self.point != "none" && self.point != "swap" && self.kind != "swap" {
            return Some(format!("the mount point '{}' does not begin with /", self.point));
        }
        if self.rest.len() > 2 {
            return Some(format!(
                "it has {} fields; a mount point with a space in it is written with \\040",
                self.fields
            ));
        }
        self.rest.iter().find(|field| !numeric(field)).map(|field| format!("'{field}' should be a number"))
    }
}

/// The lines that mean something.
#[must_use]
pub fn parse(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let trimmed = raw.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        // A comment may follow the fields.
        let fields: Vec<String> =
            trimmed.split_ascii_whitespace().take_while(|field| !field.starts_with('#')).map(unescape).collect();
        let field = |at: usize| fields.get(at).cloned().unwrap_or_default();
        lines.push(Line {
            number: index + 1,
            text: raw.to_owned(),
            device: field(0),
            point: field(1),
            kind: field(2),
            options: if fields.len() > 3 { field(3) } else { "defaults".into() },
            rest: fields.iter().skip(4).cloned().collect(),
            fields: fields.len(),
        });
    }
    lines
}

fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, char)| text.replace(code, char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_comments_are_not() {
        let lines = parse("# x\n\nUUID=1 / ext4 errors=remount-ro 0 1\n LABEL=my\\040disk\t/data xfs # why\n");
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].number, lines[0].point.as_str(), lines[0].rest.len()), (3, "/", 2));
        assert_eq!((lines[1].device.as_str(), lines[1].options.as_str()), ("LABEL=my disk", "defaults"));
        assert!(lines.iter().all(|line| line.fault().is_none()));
    }

    #[test]
    fn faults_of_form_are_named() {
        let fault = |text: &str| parse(text)[0].fault();
        for (text, word) in [
            ("/dev/vdb1", "1 of at least 3"),
            ("/dev/vdb1 /data", "2 of at least 3"),
            ("/dev/vdb1 data ext4 defaults 0 2", "does not begin with /"),
            ("/dev/vdb1 /my data ext4 defaults 0 2", "7 fields"),
            ("/dev/vdb1 /data ext4 defaults 0 two", "'two' should be a number"),
            ("/dev/vdb1 /data ext4 defaults 0 0 0", "7 fields"),
        ] {
            let found = fault(text).unwrap_or_default();
            assert!(found.contains(word), "{text}: {found}");
        }
        for good in
            ["/swapfile none swap sw 0 0", "UUID=1 swap swap defaults 0 0", "tmpfs /tmp tmpfs", "x:/y /n nfs ro"]
        {
            assert_eq!(fault(good), None, "{good}");
        }
    }
}
