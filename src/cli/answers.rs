//! Commands that answer between two contenders: break-even and the waterfall.

use super::args::{Breakeven, Explain, TokensOf};
use super::context;
use super::evidence::evidence;
use super::failure::Failure;
use super::options::{Options, Question};
use super::output::Output;
use super::ready::prepare;
use crate::catalog::Catalog;
use crate::run::{Context, Row, Run, SCHEMA, kinded, rows};
use crate::scenario::draft::Minimize;
use crate::scenario::{Contender, Plan};
use crate::solve::breakeven::{Ask, Unknown, Unsolvable, breakeven as solve_for};
use crate::solve::{self, Comparison};

/// `breakeven`: the value of one unknown at which the weaker matches the stronger, and everything a report shows.
pub fn breakeven(args: &Breakeven, options: &Options, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let unknown = Unknown::ALL.into_iter().find(|u| u.name() == args.unknown).ok_or_else(|| {
        let names: Vec<String> = Unknown::ALL.iter().map(|u| u.name()).collect();
        Failure::Usage(format!("--unknown {} is not known; write {}", args.unknown, names.join(", ")))
    })?;
    let of = args.of.map(|of| match of {
        TokensOf::Input => Minimize::UsdPerMtokInput,
        TokensOf::Output => Minimize::UsdPerMtokOutput,
        TokensOf::Total => Minimize::UsdPerMtokTotal,
    });
    let ready = prepare(&Question::from(&args.scenario), options.quiet, catalog)?;
    let ask = Ask { unknown, weaker: args.weaker.clone(), stronger: args.stronger.clone(), of };
    let found = solve_for(&ready.plan, &ready.calibration, &ask)?;
    let (weaker, stronger) = (found.weaker, found.stronger);
    let levers = solve::sensitivity(&weaker, &ready.plan, &ready.calibration)?;
    let steps = solve::waterfall(&weaker, &stronger, &ready.plan, &ready.calibration)?;
    let mut notes = found.notes;
    notes.extend(solve::advice(&levers));
    notes.extend(solve::waterfall_sentence(&steps));
    let sentence = found.answer.sentence.clone();
    let mut all = rows(std::slice::from_ref(&found.answer))?;
    all.extend(rows(&found.curve)?);
    all.extend(rows(&levers)?);
    all.extend(rows(&steps)?);
    let both = Plan { contenders: vec![weaker, stronger], ..ready.plan.clone() };
    let contenders = solve::compare(&both, &ready.calibration)?.rows;
    all.extend(kinded("contender", &contenders)?);
    all.extend(evidence(&both, &ready.calibration, catalog)?);
    output.write(&finished("breakeven", ready.context, sentence, notes, all))
}

/// `explain`: op by op, or the cost of one contender out of another's.
pub fn explain(args: &Explain, options: &Options, catalog: &Catalog, output: &Output) -> Result<(), Failure> {
    let ready = prepare(&Question::from(&args.scenario), options.quiet, catalog)?;
    let [a, b] = args.pair.as_slice() else {
        let (rows, Comparison { sentence, notes, .. }) = solve::explain(&ready.plan, &ready.calibration)?;
        return output.write(&context::finished("explain", ready.context, sentence, notes, &rows)?);
    };
    let (a, b) = (contender(&ready.plan, a)?, contender(&ready.plan, b)?);
    let steps = solve::waterfall(&a, &b, &ready.plan, &ready.calibration)?;
    let sentence = solve::waterfall_sentence(&steps)
        .unwrap_or_else(|| format!("{} and {} do not both serve this within the targets.", a.name, b.name));
    let notes = vec![
        "Order: model, precision, layout, tuning, hardware, price, utilisation; each step takes one more thing from the second, its operating point chosen anew; the ratios multiply to the whole. A step that cannot run alone is joined with the next.".to_owned(),
    ];
    output.write(&context::finished("waterfall", ready.context, sentence, notes, &steps)?)
}

fn contender(plan: &Plan, name: &str) -> Result<Contender, Failure> {
    plan.contenders.iter().find(|c| c.name == name).cloned().ok_or_else(|| {
        let names: Vec<&str> = plan.contenders.iter().map(|c| c.name.as_str()).collect();
        Failure::Usage(format!("there is no contender \"{name}\"; there are {}", names.join(", ")))
    })
}

fn finished(command: &str, context: Context, sentence: String, notes: Vec<String>, rows: Vec<Row>) -> Run {
    Run { schema: SCHEMA.to_owned(), command: command.to_owned(), context, sentence, notes, rows }
}

impl From<Unsolvable> for Failure {
    fn from(why: Unsolvable) -> Self {
        Self::Usage(why.to_string())
    }
}
