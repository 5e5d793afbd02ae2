//! Circles of imports between the files of a room, found on the source text.
//!
//! A file imports the file in which an item is defined that its code names, whatever re-exports lie between. Lines of
//! `mod` and `pub use` import nothing themselves, and tests may name what they like.

mod text;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use text::{Use, paths, tokens, uses};

/// A module: its file, its code and the names that its `use` lines bring in.
struct Module {
    file: String,
    uses: Vec<Use>,
    /// Paths named outside of `use` lines; single names are among them.
    paths: Vec<Vec<String>>,
}

/// Modules by their path below the crate.
type Tree = BTreeMap<Vec<String>, Module>;

/// Every shortest circle, as the names of its files; `files` are the sources by their name below `src`.
pub fn circles(files: &BTreeMap<String, String>) -> Vec<String> {
    let tree: Tree = files.iter().map(|(name, text)| (path_of(name), module(name, text))).collect();
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, module) in &tree {
        let imported = imports(&tree, path, module);
        let same_room = |file: &&str| room(file) == room(&module.file) && *file != module.file;
        edges.insert(&module.file, imported.into_iter().filter(same_room).collect());
    }
    let mut found = BTreeSet::new();
    for (from, targets) in &edges {
        for to in targets {
            if let Some(mut way) = shortest(&edges, to, from) {
                let first = way.iter().enumerate().min_by_key(|(_, f)| **f).map_or(0, |(i, _)| i);
                way.rotate_left(first);
                way.push(way[0]);
                found.insert(way.join(" -> "));
            }
        }
    }
    found.into_iter().collect()
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

fn path_of(name: &str) -> Vec<String> {
    let name = name.trim_end_matches(".rs").trim_end_matches("/mod");
    if name == "lib" { Vec::new() } else { name.split('/').map(str::to_owned).collect() }
}

fn module(name: &str, text: &str) -> Module {
    let (uses, rest) = uses(&tokens(text));
    Module { file: name.to_owned(), uses, paths: paths(&rest) }
}

/// The files in which the items lie that a module names.
fn imports<'t>(tree: &'t Tree, at: &[String], module: &Module) -> BTreeSet<&'t str> {
    let mut found = BTreeSet::new();
    for used in &module.uses {
        let target = resolve(tree, at, &used.path, 0);
        // A re-export of a file below imports nothing unless this file's own code uses the name, which `paths` shows.
        let below = target.is_some_and(|file| path_of(file).starts_with(at));
        if !(used.public && below) {
            found.extend(target);
        }
    }
    found.extend(module.paths.iter().filter_map(|path| resolve(tree, at, path, 0)));
    found
}

/// The file that defines what a path names, seen from a module; `None` for modules and what lies outside.
fn resolve<'t>(tree: &'t Tree, at: &[String], path: &[String], depth: usize) -> Option<&'t str> {
    let mut path = path;
    let mut here = at.to_vec();
    let mut anchored = false;
    while let Some((first, rest)) = path.split_first() {
        match first.as_str() {
            "crate" => here.clear(),
            "self" => {}
            "super" => drop(here.pop()),
            _ => break,
        }
        (anchored, path) = (true, rest);
    }
    while let Some((first, rest)) = path.split_first() {
        let child: Vec<String> = here.iter().chain([first]).cloned().collect();
        if tree.contains_key(&child) {
            (here, path, anchored) = (child, rest, true);
            continue;
        }
        let module = tree.get(&here)?;
        let Some(used) = module.uses.iter().find(|u| u.name == *first) else {
            return anchored.then_some(module.file.as_str());
        };
        // A name that stands for itself, as a crate's does, leads nowhere.
        let full: Vec<String> = used.path.iter().chain(rest).cloned().collect();
        return if depth < 16 { resolve(tree, &here, &full, depth + 1) } else { None };
    }
    None
}

/// The files on the shortest way, both ends included.
fn shortest<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str, to: &'a str) -> Option<Vec<&'a str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(file) = queue.pop_front() {
        if file == to {
            let mut way = vec![to];
            while *way.last()? != from {
                way.push(before[way.last()?]);
            }
            way.reverse();
            return Some(way);
        }
        for next in edges.get(file)? {
            if *next != from && !before.contains_key(next) {
                before.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}
