//! Rebuilds the crate when a migration is added, because the library embeds them.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
