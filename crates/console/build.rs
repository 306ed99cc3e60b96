//! The derive that embeds `web/dist` reads the folder when it is expanded: cargo must look at it too. Nothing is built here.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=web/dist");
}
