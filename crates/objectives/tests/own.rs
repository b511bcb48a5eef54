//! Objectives of one's own: registered, evaluated as their formula says, and checked.
#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::control::{
    Aspo, Cispo, ClipRule, Dgpo, Gppo, Gspo, HardClip, Mhpo, Sapo, Surrogate, Term, Token,
};
use surefoot_objectives::{
    Advantages, Bounds, Entry, Finding, Objective, ObjectiveError, OptionError, RECIPES, Range, Recipe, RegisterError,
    TokenBatch, TokenLoss, Verdict, check_surrogate, recipes, register,
};

/// `r·A` with a weight that its stop-gradient hides from the difference of its value.
#[derive(Clone)]
struct Tapered {
    slope: f64,
    bounds: Bounds,
}

const TAPERED: Tapered = Tapered { slope: 0.5, bounds: Bounds { low: 0.3, high: 0.3 } };

impl Tapered {
    fn taper(&self, token: Token) -> f64 {
        (-self.slope * token.log_ratio.abs()).exp()
    }
}

impl Surrogate for Tapered {
    fn term(&self, token: Token) -> Term {
        let value = self.taper(token) * token.ratio() * token.advantage;
        Term { surrogate: value, coefficient: value }
    }

    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        self.taper(frozen) * token.ratio() * token.advantage
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        vec![Entry::number("slope", &mut self.slope, Range::Unit, "how fast tokens lose their weight")]
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(self.bounds)
    }
}

/// Registers and names; several tests of this process may ask for the same.
fn own(key: &'static str, surrogate: impl Surrogate + Clone + Send + Sync + 'static) -> Objective {
    match register(Recipe::own(key, "for a test", surrogate)) {
        Ok(()) | Err(RegisterError::Taken(_)) => Objective::named(key).unwrap(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_registered_objective_is_known_by_its_key_and_options() {
    let mut objective = own("tapered", TAPERED);
    assert_eq!((objective.name(), objective.recipe().title), ("tapered", "for a test"));
    assert_eq!(recipes().len() - RECIPES.len(), recipes().iter().filter(|recipe| recipe.source == "own").count());
    let setting = objective.settings().into_iter().find(|setting| setting.key == "slope").unwrap();
    assert_eq!((setting.value.to_string().as_str(), setting.takes.as_str()), ("0.5", "a number from 0 to 1"));
    let before = objective.clone();
    objective.set("slope", "0.25").unwrap();
    assert_ne!(objective, before);
    assert!((objective.term(Token::at(1.0, 2.0), 0.0).coefficient - 2.0 * 0.75_f64.exp()).abs() < 1e-12);
    let text = objective.set("slop", 1.0).unwrap_err().to_string();
    assert!(text.contains("objective tapered has no option `slop` (did you mean `slope`?)"), "{text}");
    assert!(matches!(objective.set("slope", 2.0), Err(OptionError::BadValue { .. })));
    // a second one starts from the defaults
    assert_eq!(Objective::named("tapered").unwrap(), before);
    let text = Objective::named("taperd").unwrap_err().to_string();
    assert!(text.contains("(did you mean `tapered`?)"), "{text}");
}

#[test]
fn keys_that_are_taken_or_cannot_be_written_are_refused() {
    own("tapered", TAPERED);
    let refused = |key| register(Recipe::own(key, "", TAPERED)).unwrap_err();
    assert_eq!(refused("tapered"), RegisterError::Taken("tapered"));
    let text = refused("mhpo").to_string();
    assert_eq!(text, "there is already an objective `mhpo`; register this one under another key");
    for key in ["", "Mine", "my objective", "a,b", "a=b", "../x"] {
        assert_eq!(refused(key), RegisterError::Key(key));
    }
    #[derive(Clone)]
    struct Options(&'static [&'static str], [f64; 2]);
    impl Surrogate for Options {
        fn term(&self, token: Token) -> Term {
            Term { surrogate: 0.0, coefficient: 0.0 * token.advantage }
        }
        fn options(&mut self) -> Vec<Entry<'_>> {
            let about = "an option";
            self.0
                .iter()
                .zip(&mut self.1)
                .map(|(key, value)| Entry::number(key, value, Range::Positive, about))
                .collect()
        }
    }
    for (keys, key) in [
        (&["name"][..], "name"),
        (&["a", "a"], "a"),
        (&["aggregation"], "aggregation"),
        (&["off_policy_mask"], "off_policy_mask"),
    ] {
        let error = register(Recipe::own("options", "", Options(keys, [1.0; 2]))).unwrap_err();
        assert_eq!(error, RegisterError::Option { objective: "options", key });
    }
    let text = register(Recipe::own("options", "", Options(&["a"], [0.0; 2]))).unwrap_err().to_string();
    assert_eq!(text, "objective options: option `a` is 0, expected a number greater than 0; that is its default");
}

/// Log-ratios around the bounds and far away, alternately in sequences of 1 to 40 tokens.
fn evaluated(objective: &Objective, detailed: bool) -> TokenLoss {
    let log_ratios: Vec<f32> = (-300..=300).map(|i| i as f32 * 0.011).chain([-90.0, 90.0, -700.0, 700.0]).collect();
    let logp: Vec<f32> = log_ratios.iter().map(|x| x - 3.0).collect();
    let logp_old = vec![-3.0; logp.len()];
    let advantages: Vec<f32> = (0..logp.len()).map(|i| [1.3, -0.7, 0.0, 2.1, -1.9][i % 5]).collect();
    let mut offsets = vec![0];
    while offsets[offsets.len() - 1] < logp.len() {
        offsets.push((offsets[offsets.len() - 1] + 1 + 13 * offsets.len() % 40).min(logp.len()));
    }
    let groups: Vec<u32> = (0..offsets.len() as u32 - 1).map(|s| s / 3).collect();
    let batch = TokenBatch::new(&logp, &logp_old, Advantages::PerToken(&advantages), &offsets, &groups).unwrap();
    let denominators = objective.denominators_of(&batch).unwrap();
    match detailed {
        true => objective.evaluate_detailed(&batch, &denominators).unwrap(),
        false => objective.loss_and_gradient(&batch, &denominators).unwrap(),
    }
}

/// Every built-in surrogate, evaluated as if it were one's own, comes to the same as its lanes.
#[test]
fn an_own_objective_is_evaluated_as_a_built_in_one() {
    let near = |a: f32, b: f32| (a - b).abs() <= 4e-6 * (a.abs() + b.abs()) + 1e-30;
    for (built_in, own) in [
        ("grpo", own("own_grpo", HardClip::GRPO)),
        ("ppo_dual_clip", own("own_dual", HardClip::DUAL)),
        ("gspo", own("own_gspo", Gspo::DEFAULT)),
        ("sapo", own("own_sapo", Sapo::DEFAULT)),
        ("cispo", own("own_cispo", Cispo::DEFAULT)),
        ("ce_gppo", own("own_gppo", Gppo::CE)),
        ("aspo", own("own_aspo", Aspo::DEFAULT)),
        ("mhpo", own("own_mhpo", Mhpo::DEFAULT)),
        ("dgpo", own("own_dgpo", Dgpo::DEFAULT)),
    ] {
        let mut built_in = Objective::named(built_in).unwrap();
        built_in.aggregation = own.aggregation;
        let (theirs, ours) = (evaluated(&built_in, true), evaluated(&own, true));
        let (detail, own_detail) = (theirs.detail.clone().unwrap(), ours.detail.clone().unwrap());
        for i in 0..theirs.grad_logp.len() {
            let what = format!("{} at token {i}", built_in.name());
            for (theirs, ours) in [
                (theirs.grad_logp[i], ours.grad_logp[i]),
                (detail.surrogate[i], own_detail.surrogate[i]),
                (detail.coefficient[i], own_detail.coefficient[i]),
            ] {
                assert!(near(theirs, ours) || theirs.abs() > 1e37, "{what}: {theirs:e}, as one's own {ours:e}");
            }
        }
        assert_eq!(detail.region, own_detail.region, "{}", built_in.name());
        assert_eq!(theirs.stats.regions, ours.stats.regions);
        // dual clips are the built-in ones' own affair
        let clipped = |loss: &TokenLoss| loss.stats.clipped.map(|clipped| (clipped.low, clipped.high));
        assert_eq!(clipped(&theirs), clipped(&ours));
        assert_eq!(theirs.stats.multiplier_bound, ours.stats.multiplier_bound);
        let alone = evaluated(&own, false);
        assert_eq!(alone.grad_logp, ours.grad_logp);
    }
}

#[test]
fn what_is_no_number_is_refused_with_its_place_and_what_overflows_saturates() {
    #[derive(Clone)]
    struct Root;
    impl Surrogate for Root {
        fn term(&self, token: Token) -> Term {
            let root = (token.log_ratio + 1.0).sqrt();
            Term { surrogate: root * token.advantage, coefficient: root * token.advantage }
        }
    }
    let objective = own("root", Root);
    let offsets = [0, 1, 3];
    let batch =
        TokenBatch::new(&[-1.0, -1.0, -4.0], &[-1.0; 3], Advantages::PerSequence(&[1.0, -1.0]), &offsets, &[0, 1])
            .unwrap();
    let error = objective.evaluate(&batch, &objective.denominators_of(&batch).unwrap()).unwrap_err();
    let expected =
        ObjectiveError::Undefined { objective: "root", log_ratio: -3.0, advantage: -1.0, sequence: 1, position: 1 };
    assert_eq!(error, expected);
    assert!(error.to_string().contains("objective root gives no number at sequence 1, position 1 (log-ratio -3"));
    let plain =
        TokenBatch::new(&[-1.0, -1.0, -4.0], &[-1.0; 3], Advantages::PerSequence(&[1.0, -1.0]), &offsets, &[0, 1])
            .unwrap();
    let denominators = objective.denominators(&offsets, None, &[0, 1]).unwrap();
    assert_eq!(objective.evaluate_plainly(&plain, &denominators).unwrap_err(), expected);

    // loss and gradient alone of one long sequence, which built-in objectives compute in one pass
    let mut logp = [-1.0; 96];
    logp[70] = -4.0;
    let batch = TokenBatch::new(&logp, &[-1.0; 96], Advantages::PerSequence(&[1.0]), &[0, 96], &[0]).unwrap();
    let error = objective.loss_and_gradient(&batch, &objective.denominators_of(&batch).unwrap()).unwrap_err();
    assert!(matches!(error, ObjectiveError::Undefined { sequence: 0, position: 70, .. }), "{error}");

    #[derive(Clone)]
    struct Power;
    impl Surrogate for Power {
        fn term(&self, token: Token) -> Term {
            let value = (3.0 * token.log_ratio).exp() * token.advantage;
            Term { surrogate: value, coefficient: 3.0 * value }
        }
    }
    let power = evaluated(&own("power", Power), true);
    assert!(power.grad_logp.iter().all(|g| g.is_finite()) && power.loss.is_finite());
    assert!(power.stats.metrics().iter().all(|(_, value)| value.is_finite()), "{:?}", power.stats.metrics());
}

fn verdict(findings: &[Finding], check: &str) -> Option<Verdict> {
    findings.iter().find(|finding| finding.check == check).map(|finding| finding.verdict)
}

#[test]
fn no_built_in_objective_fails_its_check() {
    for recipe in RECIPES {
        let findings = check_surrogate(&Objective::named(recipe.key).unwrap());
        for finding in &findings {
            assert_ne!(finding.verdict, Verdict::Fails, "{}: {finding:?}", recipe.key);
        }
        assert_eq!(verdict(&findings, "gradient"), Some(Verdict::Holds), "{}", recipe.key);
    }
    let mut schedule = Objective::named("cpgd").unwrap();
    schedule.set("clip_schedule", "tight-to-loose").unwrap();
    assert!(check_surrogate(&schedule).iter().all(|finding| finding.verdict != Verdict::Fails));
    let continuous = check_surrogate(&Objective::named("dgpo").unwrap());
    assert_eq!(verdict(&continuous, "lower bound"), Some(Verdict::Holds));
    let jumps = check_surrogate(&Objective::named("grpo").unwrap());
    let upper = jumps.iter().find(|finding| finding.check == "upper bound").unwrap();
    assert_eq!(upper.found, "F jumps from 1.2000 to 0.0000, J/A is continuous at r = 1.2000, A > 0");
}

/// A surrogate with one thing wrong with it.
#[derive(Clone, Copy)]
struct Wrong {
    /// Of `g`.
    factor: f64,
    /// Added to `J` and `g` whatever the advantage is.
    constant: f64,
    /// What it says its multiplier is bounded by.
    bound: Option<f64>,
    /// Whether the stop-gradient of the weight is told.
    told: bool,
    /// Log-ratio beyond which it gives infinity.
    end: f64,
}

const RIGHT: Wrong = Wrong { factor: 1.0, constant: 0.0, bound: None, told: true, end: f64::INFINITY };

impl Surrogate for Wrong {
    fn term(&self, token: Token) -> Term {
        let weight = token.ratio().min(2.0);
        let overflow = if token.log_ratio > self.end { f64::INFINITY } else { 0.0 };
        let coefficient = weight * token.advantage * self.factor + self.constant + overflow;
        Term { surrogate: weight * token.advantage * token.logp + self.constant * token.logp, coefficient }
    }

    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        let frozen = if self.told { frozen } else { token };
        (frozen.ratio().min(2.0) * token.advantage + self.constant) * token.logp
    }

    fn multiplier_bound(&self) -> Option<f64> {
        self.bound
    }

    fn clip_rule(&self) -> ClipRule {
        ClipRule::Unbounded
    }
}

#[test]
fn each_thing_that_can_be_wrong_is_found() {
    let findings = |key, wrong| check_surrogate(&own(key, wrong));
    let fine = findings("wrong_in_nothing", RIGHT);
    assert!(fine.iter().all(|finding| finding.verdict != Verdict::Fails), "{fine:?}");
    for (key, wrong, check) in [
        ("wrong_factor", Wrong { factor: 1.00001, ..RIGHT }, "gradient"),
        ("wrong_sign", Wrong { factor: -1.0, ..RIGHT }, "gradient"),
        ("wrong_stop", Wrong { told: false, ..RIGHT }, "gradient"),
        ("wrong_constant", Wrong { constant: 0.1, ..RIGHT }, "advantage 0"),
        ("wrong_bound", Wrong { bound: Some(1.9), ..RIGHT }, "multiplier"),
        ("wrong_end", Wrong { end: 400.0, ..RIGHT }, "finite"),
    ] {
        let found = findings(key, wrong);
        let failed: Vec<_> = found.iter().filter(|finding| finding.verdict == Verdict::Fails).collect();
        assert!(matches!(failed[..], [finding] if finding.check == check), "{key}: {found:?}");
    }
    assert_eq!(
        verdict(&findings("right_bound", Wrong { bound: Some(2.0), ..RIGHT }), "multiplier"),
        Some(Verdict::Holds)
    );
    assert_eq!(
        verdict(&findings("loose_bound", Wrong { bound: Some(9.0), ..RIGHT }), "multiplier"),
        Some(Verdict::Note)
    );
    assert_eq!(verdict(&fine, "multiplier"), Some(Verdict::Note));
    let pulls = check_surrogate(&own("pulls_back", Pulls));
    assert_eq!(verdict(&pulls, "sign"), Some(Verdict::Note));
    assert_eq!(verdict(&pulls, "gradient"), Some(Verdict::Holds));
}

/// Quadratic in the ratio: its gradient turns round beyond the bounds.
#[derive(Clone)]
struct Pulls;

impl Surrogate for Pulls {
    fn term(&self, token: Token) -> Term {
        let (r, a) = (token.ratio(), token.advantage);
        let beyond = r - 1.0;
        Term { surrogate: r * a - a.abs() * beyond * beyond, coefficient: r * (a - 2.0 * a.abs() * beyond) }
    }
}
