//! Finds the server in a command line: what stands in front of it, its flags, and what follows.

use super::problem::Problem;

/// Servers whose flags are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// `vllm serve`.
    Vllm,
    /// `sglang serve` and `python -m sglang.launch_server`.
    Sglang,
    /// `trtllm-serve`.
    Trtllm,
    /// `llama-server`: many users.
    Llama,
    /// `llama-cli`: one.
    LlamaCli,
}

/// A command line in its parts.
#[derive(Debug)]
pub struct Command {
    /// Which server.
    pub server: Server,
    /// Assignments in front of it, `NAME=value`.
    pub environment: Vec<String>,
    /// Other words in front of it, such as those that start a container.
    pub front: Vec<String>,
    /// The words behind its name.
    pub flags: Vec<String>,
    /// What follows the command.
    pub rest: Vec<String>,
}

/// What is accepted, for messages.
const KNOWN: &str = "known are `vllm serve`, `python -m vllm.entrypoints.openai.api_server`, `sglang serve`, \
                     `python -m sglang.launch_server`, `trtllm-serve`, `llama-server` and `llama-cli`";
/// Words that end a command.
const ENDS: [&str; 9] = [";", "&&", "||", "|", "&", ">", ">>", "2>&1", "&>"];
/// Words that only start what follows them.
const STARTS: [&str; 12] =
    ["python", "python3", "-m", "exec", "nohup", "env", "export", "sudo", "uv", "run", "time", "trtllm-llmapi-launch"];

/// Splits a text as a shell does: quotes, continued lines and comments.
///
/// # Errors
/// When a quote is not closed.
pub fn split(text: &str) -> Result<Vec<String>, Problem> {
    let joined = text.replace("\r\n", "\n").replace("\\\n", "");
    shlex::split(&joined).ok_or_else(|| {
        Problem::new("a quote or a backslash in the command line is not finished", "paste the whole command")
    })
}

/// Finds the server among the words of a command line.
///
/// # Errors
/// When there is none, or more than one.
pub fn find(words: &[String]) -> Result<Command, Problem> {
    let Some((at, server, length)) = (0..words.len()).find_map(|at| server(&words[at..]).map(|(s, n)| (at, s, n)))
    else {
        return match words.iter().position(|w| image(w).is_some()) {
            Some(at) => command(words, at, image(&words[at]).unwrap_or(Server::Vllm), 1),
            None => Err(Problem::new("the command line starts no server that is known", KNOWN)),
        };
    };
    command(words, at, server, length)
}

fn command(words: &[String], at: usize, server: Server, length: usize) -> Result<Command, Problem> {
    let behind = &words[at + length..];
    let end = behind.iter().position(|w| ENDS.contains(&w.as_str())).unwrap_or(behind.len());
    let (flags, rest) = behind.split_at(end);
    if let Some(second) = (0..behind.len()).find(|at| self::server(&behind[*at..]).is_some()) {
        let message = "the command line starts two servers";
        return Err(Problem::at(
            &behind[second],
            message,
            "give one at a time; separate pools are `prefill` and `decode`",
        ));
    }
    let name = |w: &str| w.split_once('=').is_some_and(|(n, _)| is_name(n));
    let (environment, front) = words[..at].iter().cloned().partition::<Vec<_>, _>(|w| name(w));
    let front = front.into_iter().filter(|w| !STARTS.contains(&program(w))).collect();
    Ok(Command { server, environment, front, flags: flags.to_vec(), rest: rest.to_vec() })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The name of a program without its folder.
fn program(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name.strip_suffix(".exe").unwrap_or(name)
}

/// The server that words begin with, and how many of them name it.
fn server(words: &[String]) -> Option<(Server, usize)> {
    let (first, second) = (program(words.first()?), words.get(1).map(String::as_str));
    match (first, second) {
        ("vllm", Some("serve")) => Some((Server::Vllm, 2)),
        ("vllm.entrypoints.openai.api_server" | "vllm.entrypoints.api_server", _) => Some((Server::Vllm, 1)),
        ("sglang", Some("serve")) => Some((Server::Sglang, 2)),
        ("sglang.launch_server", _) => Some((Server::Sglang, 1)),
        ("trtllm-serve", Some("serve")) => Some((Server::Trtllm, 2)),
        ("trtllm-serve", _) => Some((Server::Trtllm, 1)),
        ("llama-server", _) => Some((Server::Llama, 1)),
        ("llama-cli", _) => Some((Server::LlamaCli, 1)),
        ("llama", Some("serve")) => Some((Server::Llama, 2)),
        ("llama", Some("cli")) => Some((Server::LlamaCli, 2)),
        _ => None,
    }
}

/// The server that a container starts by itself.
fn image(word: &str) -> Option<Server> {
    let name = word.split([':', '@']).next().unwrap_or(word);
    let tag = word.rsplit_once(':').map_or("", |(_, tag)| tag);
    match name {
        _ if name.ends_with("vllm/vllm-openai") || name.ends_with("vllm/vllm-openai-rocm") => Some(Server::Vllm),
        _ if name.ends_with("llama.cpp") && tag.starts_with("server") => Some(Server::Llama),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<Command, Problem> {
        find(&split(text)?)
    }

    #[test]
    fn a_server_is_found_behind_what_starts_it() {
        let text = "# on one node\nexport A=1\nCUDA_VISIBLE_DEVICES=0,1 nohup python3 -m sglang.launch_server \\\n  --model x \
                    --json '{\"a\": 1}' > log 2>&1 &";
        let found = parts(text).expect("a server");
        assert_eq!(found.server, Server::Sglang);
        assert_eq!(found.environment, ["A=1", "CUDA_VISIBLE_DEVICES=0,1"]);
        assert_eq!(found.flags, ["--model", "x", "--json", "{\"a\": 1}"]);
        assert_eq!((found.front.len(), found.rest.len()), (0, 4));
        let docker = parts("docker run --gpus all vllm/vllm-openai:v0.11.0 --model m -tp 2").expect("a server");
        assert_eq!((docker.server, docker.front.len()), (Server::Vllm, 3));
        assert_eq!(docker.flags, ["--model", "m", "-tp", "2"]);
        assert!(parts("ollama run llama3").is_err() && parts("vllm serve a 'b").is_err());
        assert!(parts("vllm serve a && vllm serve b").is_err());
    }
}
