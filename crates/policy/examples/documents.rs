//! Writes the documents of `corpus/`, one a file, into the folder that the argument names. They are
//! seeds for the fuzz target `document`.

#[path = "../tests/cases/mod.rs"]
mod cases;

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: documents FOLDER");
        std::process::exit(2);
    };
    fs::create_dir_all(&folder).expect("the folder can be created");
    for (number, (_, text)) in cases::documents().into_iter().enumerate() {
        let file = folder.join(format!("{number:04}.json"));
        fs::write(file, text).expect("a file can be written");
    }
}
