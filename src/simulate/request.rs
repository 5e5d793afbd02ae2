//! A request as it arrives, and the table of those in the system.

/// A request as it arrives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// When, s after the start of the clock.
    pub arrival: f64,
    /// Tokens of its prompt.
    pub input: u32,
    /// Tokens of its answer.
    pub output: u32,
    /// Names of the blocks of its prompt, equal for equal prefixes; empty where the trace tells none.
    pub blocks: Box<[u64]>,
}

/// Requests in the system, one array a field; slots are used again.
#[derive(Debug, Clone, Default)]
pub struct Flights {
    /// When it arrived, s.
    pub arrival: Vec<f64>,
    /// When an engine first took it up, s; negative before.
    pub admitted: Vec<f64>,
    /// When its first token was there, s; negative before.
    pub first: Vec<f64>,
    /// Time a prompt spends in the later stages of a pipeline, s: all its tokens are so much later.
    pub lag: Vec<f64>,
    /// Number of the request in the order of arrival, from 0.
    pub id: Vec<u64>,
    /// Tokens of the prompt.
    pub input: Vec<u32>,
    /// Tokens of the answer.
    pub output: Vec<u32>,
    /// Tokens of the answer that are there.
    pub made: Vec<u32>,
    /// Tokens to be cached before the next token: the prompt, and after a preemption what was made of the answer.
    pub target: Vec<u32>,
    /// Of these, computed or found in the cache.
    pub ready: Vec<u32>,
    /// Of these, found in the cache.
    pub found: Vec<u32>,
    /// Blocks of memory it holds that are its own.
    pub held: Vec<u32>,
    /// Iteration in which it joined the batch.
    pub joined: Vec<u64>,
    /// Iteration after which it is done.
    pub end: Vec<u64>,
    /// Its stay in the batch; 0 outside.
    pub stay: Vec<u32>,
    /// Times it was preempted.
    pub preemptions: Vec<u32>,
    /// After a preemption: count of taken blocks from which on its own are written over.
    pub lost_from: Vec<u64>,
    /// Engine it runs on.
    pub replica: Vec<u32>,
    /// Names of its prompt's blocks.
    pub blocks: Vec<Box<[u64]>>,
    vacant: Vec<u32>,
}

impl Flights {
    /// Puts a request into a slot.
    pub fn board(&mut self, id: u64, request: Request) -> u32 {
        let slot = self.vacant.pop().unwrap_or_else(|| self.grow());
        let at = slot as usize;
        self.arrival[at] = request.arrival;
        self.admitted[at] = -1.0;
        self.first[at] = -1.0;
        self.lag[at] = 0.0;
        self.id[at] = id;
        self.input[at] = request.input;
        self.output[at] = request.output;
        self.target[at] = request.input;
        self.blocks[at] = request.blocks;
        for counter in [&mut self.made, &mut self.ready, &mut self.found, &mut self.held, &mut self.preemptions] {
            counter[at] = 0;
        }
        self.stay[at] = 0;
        slot
    }

    /// Frees a slot.
    pub fn leave(&mut self, slot: u32) {
        self.blocks[slot as usize] = Box::default();
        self.stay[slot as usize] = 0;
        self.vacant.push(slot);
    }

    /// Requests in the system.
    pub const fn len(&self) -> usize {
        self.arrival.len() - self.vacant.len()
    }

    /// Whether nobody is here.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn grow(&mut self) -> u32 {
        let slot = self.arrival.len() as u32;
        for time in [&mut self.arrival, &mut self.admitted, &mut self.first, &mut self.lag] {
            time.push(0.0);
        }
        for wide in [&mut self.id, &mut self.joined, &mut self.end, &mut self.lost_from] {
            wide.push(0);
        }
        let counters = [&mut self.input, &mut self.output, &mut self.made, &mut self.target, &mut self.ready];
        let more = [&mut self.found, &mut self.held, &mut self.stay, &mut self.preemptions, &mut self.replica];
        counters.into_iter().chain(more).for_each(|counter| counter.push(0));
        self.blocks.push(Box::default());
        slot
    }
}
