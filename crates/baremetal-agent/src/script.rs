//! Boot scripts for machines that boot from the network, made when they are asked for: one for pxelinux and one for GRUB by MAC address, and
//! one for iPXE. Pure.
//!
//! A script says where kernel and initramfs of a verified image are and the command line of its manifest. It holds nothing else: who reads it
//! has shown nothing but a MAC address, so that no key, password or token may be in it.

use artifact::Manifest;

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Six pairs of hex digits with `separator` between them, in any case.
    #[must_use]
    pub fn parse(text: &str, separator: char) -> Option<Self> {
        let mut mac = [0; 6];
        let mut pairs = text.split(separator);
        for byte in &mut mac {
            let pair = pairs.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Self(mac))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pxelinux,
    Grub,
    Ipxe,
}

/// What a name asks for, if it is a script's.
///
/// * `pxelinux.cfg/01-aa-bb-cc-dd-ee-ff`, where 01 says Ethernet;
/// * `grub.cfg-01-aa-bb-cc-dd-ee-ff`, also below `grub/` and `boot/grub/`;
/// * `boot.ipxe`.
#[must_use]
pub fn wanted(parts: &[&[u8]]) -> Option<(Kind, Option<Mac>)> {
    let by_mac = |file: &[u8], prefix: &str| {
        let text = std::str::from_utf8(file).ok()?;
        Mac::parse(text.strip_prefix(prefix)?, '-')
    };
    match parts {
        [b"boot.ipxe"] => Some((Kind::Ipxe, None)),
        [b"pxelinux.cfg", file] => by_mac(file, "01-").map(|mac| (Kind::Pxelinux, Some(mac))),
        [file] | [b"grub", file] | [b"boot", b"grub", file] => {
            by_mac(file, "grub.cfg-01-").map(|mac| (Kind::Grub, Some(mac)))
        }
        _ => None,
    }
}

impl Kind {
    /// For metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pxelinux => "pxelinux.cfg",
            Self::Grub => "grub.cfg",
            Self::Ipxe => "boot.ipxe",
        }
    }

    /// The script that boots an image. `folder`: the image's, below `images/`.
    #[must_use]
    pub fn script(self, folder: &str, manifest: &Manifest) -> String {
        let (kernel, initramfs) = (&manifest.kernel.file, &manifest.initramfs.file);
        let (name, version, cmdline) = (&manifest.name, &manifest.version, &manifest.cmdline);
        match self {
            // The two colons make the path absolute: it is not looked for beside the loader.
            Self::Pxelinux => format!(
                "DEFAULT rescue\nPROMPT 0\nTIMEOUT 0\nLABEL rescue\n  MENU LABEL {name} {version}\n  KERNEL ::images/{folder}/{kernel}\n  \
                 INITRD ::images/{folder}/{initramfs}\n  APPEND {cmdline} yn_rescue_mode=true\n"
            ),
            Self::Grub => format!(
                "set default=0\nset timeout=0\nmenuentry '{name} {version}' {{\n  linux /images/{folder}/{kernel} {}\n  \
                 initrd /images/{folder}/{initramfs}\n}}\n",
                for_grub(&format!("{cmdline} yn_rescue_mode=true"))
            ),
            // The paths are relative to where the script came from, by TFTP or HTTP. `initrd=` is what EFI kernels go by.
            Self::Ipxe => format!(
                "#!ipxe\necho {name} {version}\nkernel --name kernel /images/{folder}/{kernel} initrd=initramfs {cmdline} yn_rescue_mode=true\n\
                 initrd --name initramfs /images/{folder}/{initramfs}\nboot\n"
            ),
        }
    }
}

/// A command line as arguments of a GRUB command: what GRUB's shell would take for itself is put in quotes.
fn for_grub(cmdline: &str) -> String {
    let plain = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b"=,._:/@%+-".contains(&b));
    let quote = |word: &str| if plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    cmdline.split_ascii_whitespace().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str) -> Option<(Kind, Option<Mac>)> {
        wanted(&name.split('/').map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn names_of_scripts_are_known() {
        let mac = Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0xab]));
        for (name, want) in [
            ("pxelinux.cfg/01-52-54-00-12-34-ab", Some((Kind::Pxelinux, mac))),
            ("pxelinux.cfg/01-52-54-00-12-34-AB", Some((Kind::Pxelinux, mac))),
            ("grub.cfg-01-52-54-00-12-34-ab", Some((Kind::Grub, mac))),
            ("grub/grub.cfg-01-52-54-00-12-34-ab", Some((Kind::Grub, mac))),
            ("boot/grub/grub.cfg-01-52-54-00-12-34-ab", Some((Kind::Grub, mac))),
            ("boot.ipxe", Some((Kind::Ipxe, None))),
            ("pxelinux.cfg/default", None),
            ("pxelinux.cfg/C0A80001", None),
            ("pxelinux.cfg/06-52-54-00-12-34-ab", None),
            ("pxelinux.cfg/01-52-54-00-12-34", None),
            ("pxelinux.cfg/01-52-54-00-12-34-ab-cd", None),
            ("pxelinux.cfg/01-+5-54-00-12-34-ab", None),
            ("x/pxelinux.cfg/01-52-54-00-12-34-ab", None),
            ("grub.cfg", None),
            ("x/boot.ipxe", None),
        ] {
            assert_eq!(asked(name), want, "{name}");
        }
        assert_eq!(Mac::parse("52:54:00:12:34:ab", ':'), mac);
    }

    #[test]
    fn grub_gets_each_word_as_it_is() {
        assert_eq!(
            for_grub("a=b console=ttyS0,115200 x;y  z='$q' {t}"),
            "a=b console=ttyS0,115200 'x;y' 'z='\\''$q'\\''' '{t}'"
        );
    }
}
