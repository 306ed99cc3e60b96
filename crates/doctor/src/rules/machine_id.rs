//! machine-id(5): 32 hexadecimal digits, or empty, or `uninitialized`.

use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    // Without systemd nobody asks for it.
    let systemd = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"].iter().any(|path| system.tree.exists(path));
    if !systemd {
        return Ok(Vec::new());
    }
    let Some(text) = system.tree.text("/etc/machine-id") else {
        return Ok(vec!["/etc/machine-id is not there".into()]);
    };
    let id = text.trim_end_matches('\n');
    let valid =
        id.is_empty() || id == "uninitialized" || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Ok(if valid { Vec::new() } else { vec![format!("/etc/machine-id holds {:?}", crate::tools::clean(id))] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn only_an_id_or_nothing_is_valid() {
        let folder = Folder::new();
        assert!(probe(&folder.patient()).unwrap().is_empty(), "not a system with systemd");
        folder.put("lib/systemd/systemd", "");
        assert_eq!(probe(&folder.patient()).unwrap().len(), 1);
        for (text, faults) in [
            ("", 0),
            ("uninitialized\n", 0),
            ("0123456789abcdef0123456789ABCDEF\n", 0),
            ("0123\n", 1),
            ("\u{1b}[2J", 1),
        ] {
            folder.put("etc/machine-id", text);
            assert_eq!(probe(&folder.patient()).unwrap().len(), faults, "{text:?}");
        }
    }
}
