//! The dashboard's picture of its state.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph, Wrap};
use surefoot_trainer::metrics::{Metric, definition as m};
use surefoot_trainer::progress::{seconds, short};

use super::state::State;

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, state: &State) {
    let rows = Layout::vertical([
        Constraint::Length(2),
        Constraint::Percentage(58),
        Constraint::Min(4),
        Constraint::Length(1),
    ]);
    let [head, curves, below, keys] = rows.areas(frame.area());
    header(frame, head, state);
    let halves: [Rect; 2] = Layout::vertical([Constraint::Ratio(1, 2); 2]).areas(curves);
    for (half, row) in halves.into_iter().zip(state.curves().chunks(3)) {
        let cells: [Rect; 3] = Layout::horizontal([Constraint::Ratio(1, 3); 3]).areas(half);
        for (cell, (title, metric)) in cells.into_iter().zip(row) {
            curve(frame, cell, state, title, *metric);
        }
    }
    if state.lines.is_empty() {
        sample(frame, below, state);
    } else {
        let [left, right] = Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(below);
        sample(frame, left, state);
        messages(frame, right, state);
    }
    let keys_text = "q stop with a checkpoint · Tab other curves · ← → other samples";
    frame.render_widget(Paragraph::new(keys_text).dim(), keys);
}

fn header(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let [text, bar] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    let pace = state
        .pace()
        .map_or_else(String::new, |(each, left)| format!(" · {} a step · {} left", seconds(each), seconds(left)));
    let evaluated = match state.now(m::EVAL_AVG) {
        value if value == "–" => String::new(),
        value => format!(" · eval/avg {value}"),
    };
    let phase = if state.stopping { "stopping after a checkpoint" } else { &state.phase };
    let line = Line::from(vec![
        Span::from("surefoot ").bold(),
        Span::from(format!("{} · step {} of {} · {phase}{pace}{evaluated}", state.title, state.done, state.steps)),
    ]);
    frame.render_widget(Paragraph::new(line), text);
    let share = if state.steps == 0 { 1.0 } else { (state.done as f64 / state.steps as f64).min(1.0) };
    frame.render_widget(Gauge::default().ratio(share).gauge_style(Style::new().fg(Color::Cyan)), bar);
}

fn curve(frame: &mut Frame<'_>, area: Rect, state: &State, title: &str, metric: Metric) {
    let points = state.points(metric);
    let value = state.now(metric);
    let block =
        Block::bordered().title(format!(" {title} ")).title_top(Line::from(format!(" {value} ")).right_aligned());
    if points.is_empty() {
        frame.render_widget(block, area);
        return;
    }
    let (first, last) = state.span();
    let least = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let greatest = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    // A curve without extent lies in the middle.
    let margin = if greatest > least { 0.0 } else { least.abs().max(1.0) / 2.0 };
    let (low, high) = (least - margin, greatest + margin);
    let axis =
        |bounds: [f64; 2], labels: Vec<String>| Axis::default().bounds(bounds).labels(labels).style(Style::new().dim());
    let line = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(Style::new().fg(Color::Cyan))
        .data(&points);
    let chart = Chart::new(vec![line])
        .block(block)
        .x_axis(axis([first, last.max(first + 1.0)], vec![first.to_string(), last.to_string()]))
        .y_axis(axis([low, high], vec![short(low), short(high)]));
    frame.render_widget(chart, area);
}

fn sample(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let Some(shown) = state.samples.get(state.at) else {
        frame.render_widget(Block::bordered().title(" sample "), area);
        return;
    };
    let reward = shown.reward.map_or_else(|| "no reward".to_string(), |reward| format!("reward {}", short(reward)));
    let title = format!(" sample {} of {} · {} · {reward} ", state.at + 1, state.samples.len(), shown.verdict);
    let colour = match shown.reward {
        Some(reward) if reward > 0.0 => Color::Green,
        Some(_) => Color::Red,
        None => Color::Yellow,
    };
    let plain = |text: &str| text.replace(|c: char| c.is_control() && c != '\n', "�");
    let mut lines: Vec<Line<'_>> =
        plain(&shown.prompt).lines().map(|line| Line::from(line.to_string()).dim()).collect();
    lines.extend(plain(&shown.completion).lines().map(|line| Line::from(line.to_string())));
    lines.push(Line::from(format!("expected: {}", plain(&shown.answer))).dim());
    let block = Block::bordered().title(title).border_style(Style::new().fg(colour));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}

fn messages(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let room = usize::from(area.height.saturating_sub(2));
    let lines: Vec<Line<'_>> =
        state.lines.iter().rev().take(room).rev().map(|line| Line::from(line.as_str())).collect();
    let block = Block::bordered().title(" messages ");
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use surefoot_trainer::metrics::Record;
    use surefoot_trainer::progress::Shown;

    use super::super::state::State;
    use super::{draw, m};

    fn screen(state: &State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal.backend().to_string()
    }

    fn state(steps: u64) -> State {
        let mut state = State::new("runs/x".into(), 10, 0, Vec::new());
        for step in 1..=steps {
            let mut record = Record::new(step);
            record.set(m::REWARD_MEAN, step as f64 / 10.0);
            record.set(m::ROLLOUT_ENTROPY, f64::NAN);
            state.step(record);
        }
        state
    }

    #[test]
    fn curves_samples_and_messages_are_shown() {
        let mut state = state(4);
        let shown = |completion: &str, reward| Shown {
            prompt: "1+1=".into(),
            completion: completion.into(),
            answer: "2".into(),
            verdict: "correct".into(),
            reward,
        };
        state.samples(vec![shown("2", Some(1.0)), shown("\u{1b}[2J3", Some(0.0))]);
        let text = screen(&state, 100, 30);
        for wanted in ["step 4 of 10", "reward", "0.4000", "0.1000", "sample 1 of 2", "1+1=", "expected: 2"] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        assert!(text.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "no curve\n{text}");
        state.browse(1);
        state.line("warning: something".into());
        let text = screen(&state, 100, 30);
        assert!(text.contains("sample 2 of 2") && text.contains("warning: something"), "{text}");
        assert!(!text.contains('\u{1b}'), "a control character reached the terminal");
        state.browse(1);
        assert_eq!(state.at, 0);
    }

    #[test]
    fn a_value_is_the_last_steps_and_evaluations_have_their_step() {
        let mut earlier = Record::new(0);
        earlier.set(m::EVAL_AVG, 0.375);
        let mut state = State::new("runs/x".into(), 10, 0, vec![earlier]);
        let mut record = Record::new(1);
        record.set(m::UPDATE_GRAD_NORM, 7.25);
        record.set(m::REWARD_MEAN, 0.625);
        state.step(record);
        let mut record = Record::new(2);
        record.set(m::REWARD_MEAN, 0.5);
        state.step(record);
        assert_eq!((state.now(m::REWARD_MEAN).as_str(), state.now(m::UPDATE_GRAD_NORM).as_str()), ("0.5000", "–"));
        assert_eq!(state.now(m::EVAL_AVG), "step 0: 0.3750");
        assert_eq!((state.span(), state.pace().is_some()), ((0.0, 2.0), true));
        let text = screen(&state, 140, 30);
        assert!(text.contains("eval/avg step 0: 0.3750"), "{text}");
        state.turn_page();
        state.turn_page();
        assert!(screen(&state, 140, 30).contains("evaluation: right"));
    }

    #[test]
    fn nothing_and_no_room_are_no_error() {
        for (steps, width, height) in [(0, 80, 24), (1, 80, 24), (3, 20, 5), (3, 1, 1)] {
            let text = screen(&state(steps), width, height);
            assert_eq!(text.contains("step"), width >= 80, "{text}");
        }
    }
}
