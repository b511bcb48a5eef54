//! One update of a policy, without a trainer: rewards of two prompts' samples become advantages, and log-probabilities become the gradient
//! that a framework backpropagates.
//!
//! `cargo run -p surefoot-objectives --example step`
#![allow(clippy::print_stdout, reason = "an example")]

use surefoot_objectives::advantage::{AdvantageEstimator, RewardBatch};
use surefoot_objectives::{Objective, TokenBatch};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Four samples: two of prompt 7, two of prompt 9. Their tokens lie one after another; `offsets` says where each begins and ends.
    let (rewards, groups, offsets) = ([1.0, 0.0, 0.0, 1.0], [7, 7, 9, 9], [0, 2, 5, 6, 8]);
    // Log-probabilities of the sampled tokens, when they were sampled and now; the last token of the second sample is tool output.
    let logp_old = [-0.5, -1.0, -0.7, -0.2, -3.0, -1.5, -0.1, -0.9];
    let logp = [-0.4, -1.1, -0.9, -0.2, -9.0, -1.2, -0.1, -0.6];
    let mask = [true, true, true, true, false, true, true, true];

    let advantages = AdvantageEstimator::named("grpo")?.compute(&RewardBatch::new(&rewards, &groups)?)?;
    let batch = TokenBatch::new(&logp, &logp_old, advantages.view(), &offsets, &groups)?.with_mask(&mask)?;
    for name in ["grpo", "mhpo", "dgpo", "cpgd"] {
        let objective = Objective::named(name)?;
        let found = objective.evaluate(&batch, &objective.denominators_of(&batch)?)?;
        println!("{name:5} loss {:+.4}  dL/dlogp {:+.3?}", found.loss, found.grad_logp);
    }
    Ok(())
}
