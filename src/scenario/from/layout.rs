//! How the ranks that a server is told of are a contender's: every server counts them in its own way.

use super::command::Server;
use super::problem::Problem;
use super::serving::Serving;
use crate::setup::Layout;

/// The layout of a server on so many devices; `count` is the user's, where the command cannot tell.
///
/// vLLM's data-parallel ranks hold a whole model of no experts each, and share the experts of one that has them; these
/// are divided like all matrices unless `--enable-expert-parallel`. SGLang counts data-parallel attention inside its
/// tensor-parallel ranks. llama.cpp divides layers among the devices that it finds.
///
/// # Errors
/// When the ranks do not fit each other, or the devices.
pub fn layout(server: Server, serving: &Serving, experts: Option<bool>, count: Option<u64>) -> Result<Layout, Problem> {
    let (tensor, pp, data) = (serving.tensor.unwrap_or(1), serving.pipeline.unwrap_or(1), serving.data.unwrap_or(1));
    let experts = experts.unwrap_or(serving.spread_experts || serving.experts.is_some());
    let wide = |tp: u64, dp: u64| if experts && serving.spread_experts { tp * dp } else { 1 };
    let (tp, pp, dp, ep, replicas) = match server {
        Server::Vllm if experts => (tensor, pp, data, wide(tensor, data), 1),
        Server::Vllm => (tensor, pp, 1, 1, data),
        Server::Sglang if serving.data_attention && data > 1 => {
            if !tensor.is_multiple_of(data) {
                let message = format!("{tensor} tensor-parallel ranks hold no {data} data-parallel ones");
                return Err(Problem::new(message, "--tp-size is a multiple of --dp-size with data-parallel attention"));
            }
            let ep = serving.experts.unwrap_or_else(|| wide(tensor, 1));
            (tensor / data, pp, data, ep, 1)
        }
        Server::Sglang => (tensor, pp, 1, serving.experts.unwrap_or_else(|| wide(tensor, 1)), data),
        Server::Trtllm => (tensor, pp, 1, serving.experts.unwrap_or(1), 1),
        Server::Llama | Server::LlamaCli => {
            let devices = serving.devices.or(count).unwrap_or(1);
            match serving.division.as_deref() {
                Some("none") => (1, 1, 1, 1, 1),
                Some("row" | "tensor") => (devices, 1, 1, 1, 1),
                _ => (1, devices, 1, 1, 1),
            }
        }
    };
    let ep = if experts { ep.max(1) } else { 1 };
    let one = Layout { tp, pp, dp, ep, replicas };
    match count {
        Some(count) if count > 0 && count.is_multiple_of(one.instance()) => {
            Ok(Layout { replicas: count / one.instance(), ..one })
        }
        Some(count) => {
            let message = format!("{count} devices are no multiple of the {} of one server", one.instance());
            Err(Problem::new(message, "--count is the devices of all servers together"))
        }
        None => Ok(one),
    }
}
