//! Which module is stored how, and what that makes of each class of weights.

use super::modules::{self, Module};
use super::names::Names;
use crate::diagnostic::Diagnostic;
use crate::model::config::Config;
use crate::model::spec::{Class, Layer, NativePrecision, Part};
use crate::model::stored::Stored;

/// The most matrices of experts that are asked one by one; the largest known model has 70,000.
const MOST_EXPERTS: u64 = 1 << 20;

/// How a checkpoint stores its modules; what is `None` is left at full precision.
#[derive(Debug, Default)]
pub struct Plan<'t> {
    /// Lists of names with the storage of each entry. The first list that knows a module decides.
    rules: Vec<Rule<'t>>,
    /// Every other matrix of attention and dense or shared feed-forward networks.
    pub matrices: Option<Stored>,
    /// Every other expert.
    pub experts: Option<Stored>,
    /// The LM head, unless a list names it.
    pub head: Option<Stored>,
    /// The embedding, unless a list names it.
    pub embedding: Option<Stored>,
    /// The routers, unless a list names them; no method but MLX packs them unasked.
    pub router: Option<Stored>,
}

#[derive(Debug)]
struct Rule<'t> {
    owner: Config<'t>,
    key: String,
    names: Names,
    stored: Vec<Option<Stored>>,
}

/// The model whose modules are meant.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// First entry of `architectures`; names of modules hang on it.
    pub architecture: &'a str,
    /// Its layers.
    pub layers: &'a [Layer],
    /// Parameters of the embedding.
    pub table: u64,
    /// The head shares the embedding's table.
    pub tied: bool,
}

impl<'t> Plan<'t> {
    /// Every matrix stored alike; head, embedding and routers left alone.
    pub fn matrices(stored: Stored) -> Self {
        Self { matrices: Some(stored), experts: Some(stored), ..Self::default() }
    }

    /// Leaves the modules of a list alone, where the block has it.
    ///
    /// # Errors
    /// When it is no list of names.
    pub fn except(&mut self, block: &Config<'t>, key: &str) -> Result<(), Diagnostic> {
        let list = block.words(key)?.unwrap_or_default();
        let stored = vec![None; list.len()];
        self.rule(block, key, list, stored)
    }

    /// Stores the modules of a list as said, entry by entry.
    ///
    /// # Errors
    /// When an entry is no name or pattern.
    pub fn rule(
        &mut self,
        owner: &Config<'t>,
        key: &str,
        names: Vec<String>,
        stored: Vec<Option<Stored>>,
    ) -> Result<(), Diagnostic> {
        if names.is_empty() {
            return Ok(());
        }
        let names = Names::new(names).map_err(|why| owner.wrong(key, &why))?;
        self.rules.push(Rule { owner: owner.clone(), key: key.to_owned(), names, stored });
        Ok(())
    }

    /// The storage of each class of weights.
    ///
    /// # Errors
    /// Names the entry of a list that means no module of this model.
    pub fn apply(&self, full: Stored, shape: Shape<'_>) -> Result<NativePrecision, Diagnostic> {
        if self.rules.is_empty() {
            return Ok(self.by_class(full, shape.tied));
        }
        let apart = self.rules.iter().any(|rule| rule.names.tells_experts_apart());
        let experts: u64 = shape.layers.iter().map(|l| l.count * l.experts.map_or(0, |e| e.count * e.matrices)).sum();
        if let Some(rule) = self.rules.first().filter(|_| apart && experts > MOST_EXPERTS) {
            return Err(rule.owner.wrong(&rule.key, "tells experts apart, of which there are too many to ask each"));
        }
        let mut all = modules::of(shape.architecture, shape.layers, apart);
        all.extend(modules::ends(shape.table, shape.tied));
        let parts: Vec<(Class, Stored, f64)> =
            all.iter().map(|module| (module.class, self.of(module).unwrap_or(full), module.params)).collect();
        let layers = shape.layers.iter().map(|layer| layer.count).sum();
        if let Some((rule, name)) = self.rules.iter().find_map(|rule| Some((rule, rule.names.unread(layers)?))) {
            let mut error = rule.owner.wrong(&rule.key, "");
            error.message = format!("`{}` names `{name}`, which is no part of this model that is known", rule.key);
            return Err(
                error.hint("a list that is read past would give wrong bytes; check the name against the weights")
            );
        }
        let mut native = means(full, &parts);
        // Layers that only guess tokens are stored like the others where no list tells them apart.
        let listed = self.rules.iter().find_map(|rule| rule.names.beyond(layers).map(|at| rule.stored[at]));
        let mtp = self.rules.iter().any(|rule| rule.names.guessing());
        native.mtp = match listed {
            Some(stored) => stored.unwrap_or(full),
            None if mtp => full,
            None => self.experts.or(self.matrices).unwrap_or(full),
        };
        if shape.tied {
            native.head = native.embedding;
        }
        Ok(native)
    }

    /// Without lists every module of a class is alike.
    fn by_class(&self, full: Stored, tied: bool) -> NativePrecision {
        let mut native = NativePrecision::uniform(full);
        for class in Class::ALL {
            native.set(class, self.unlisted(class).unwrap_or(full));
        }
        native.mtp = self.experts.or(self.matrices).unwrap_or(full);
        if tied {
            native.head = native.embedding;
        }
        native
    }

    fn of(&self, module: &Module) -> Option<Stored> {
        // Every list is asked, so that an entry another list overrules is not taken for one that means nothing.
        let hits: Vec<Option<Stored>> =
            self.rules.iter().filter_map(|rule| rule.names.hit(module).map(|at| rule.stored[at])).collect();
        match hits.first() {
            Some(stored) => *stored,
            None => self.unlisted(module.class),
        }
    }

    const fn unlisted(&self, class: Class) -> Option<Stored> {
        match class {
            Class::Part(Part::Router) => self.router,
            Class::Part(_) => self.matrices,
            Class::Experts => self.experts,
            Class::Head => self.head,
            Class::Embedding => self.embedding,
            Class::Rest => None,
        }
    }
}

/// Storage of each class from that of its modules, by parameters: the format of most, the mean of the bits. A class
/// without modules is stored at full precision.
fn means(full: Stored, parts: &[(Class, Stored, f64)]) -> NativePrecision {
    let mut native = NativePrecision::uniform(full);
    for class in Class::ALL {
        let own: Vec<(Stored, f64)> = parts.iter().filter(|(c, ..)| *c == class).map(|(_, s, p)| (*s, *p)).collect();
        let mut kinds: Vec<(Stored, f64)> = Vec::new();
        for (stored, params) in &own {
            match kinds.iter_mut().find(|(kind, _)| kind == stored) {
                Some((_, sum)) => *sum += params,
                None => kinds.push((*stored, *params)),
            }
        }
        let all: f64 = kinds.iter().map(|(_, params)| params).sum();
        if let Some((most, _)) = kinds.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
            let bits = match kinds.as_slice() {
                [(one, _)] => one.bits,
                _ => kinds.iter().map(|(stored, params)| stored.bits * params).sum::<f64>() / all,
            };
            native.set(class, Stored { bits, ..*most });
        }
    }
    native
}
