//! The steps under the adapter's limits, drawn: a roofline, and beside it the heaviest steps, with and
//! without operations.

use anyhow::{Context, Error, Result};
use fpn_wgpu::models::Stage;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::{Limits, Report, StepTime, Steps};
use super::table::figures;

/// Of the picture, in pixels.
const SIZE: (u32, u32) = (1240, 700);
/// Where the charts begin below the head.
const HEAD: i32 = 112;
/// Where the panels beside the roofline begin.
const PANELS: i32 = 820;
/// Height of the key.
const KEY: i32 = 260;
/// From the picture's edge.
const MARGIN: i32 = 24;

/// Steps whose points have a number, and stand in the key.
const NAMED: usize = 5;
/// Bars, of steps without operations, that are drawn.
const MOST_BARS: usize = 12;

const GREY: RGBColor = RGBColor(110, 110, 110);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// An SVG of a report that has a profile.
///
/// # Errors
/// If there is none.
pub fn draw(report: &Report) -> Result<String> {
    let (profile, limits) = report
        .profile
        .as_ref()
        .zip(report.limits)
        .context("there are no times of steps to draw")?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        head(&area, report, profile)?;
        let (_, charts) = area.split_vertically(HEAD);
        let (left, right) = charts.split_horizontally(PANELS);
        roofline(&left, profile, limits)?;
        let (upper, lower) = right.split_vertically(KEY);
        key(&upper, profile)?;
        draw_bars(&lower, &bars(profile))?;
        area.present()?;
    }
    Ok(svg)
}

fn colour(stage: Stage) -> RGBColor {
    let index = Stage::ALL.iter().position(|&other| other == stage);
    let colour = colorous::TABLEAU10[index.expect("it is one of them")];
    RGBColor(colour.r, colour.g, colour.b)
}

fn text(size: i32, colour: RGBColor, across: HPos, down: VPos) -> TextStyle<'static> {
    TextStyle {
        color: colour.to_backend_color(),
        pos: Pos::new(across, down),
        font: ("sans-serif", size).into(),
    }
}

/// What was measured, and the stages' shares, which are the legend too.
fn head(area: &Area, report: &Report, profile: &Steps) -> Result<()> {
    let [height, width] = report.padded;
    let title = format!(
        "{} at {height} × {width} on {}",
        report.model, report.device.name
    );
    let told = format!(
        "{} ms a frame (median of {}), steps {} ms; {:.2} GFLOP",
        figures(report.frame_ms.median),
        report.iterations,
        figures(profile.total_ms),
        report.gflop
    );
    area.draw_text(
        &title,
        &text(18, BLACK, HPos::Left, VPos::Top),
        (MARGIN, 14),
    )?;
    area.draw_text(&told, &text(13, GREY, HPos::Left, VPos::Top), (MARGIN, 40))?;

    let full = f64::from(SIZE.0 as i32 - 2 * MARGIN);
    let slot = full as i32 / profile.stages.len() as i32;
    let mut start = f64::from(MARGIN);
    for (stage, index) in profile.stages.iter().zip(0..) {
        let end = start + full * stage.work.share;
        let fill = colour(stage.stage).filled();
        area.draw(&Rectangle::new(
            [(start as i32, 64), (end as i32, 78)],
            fill,
        ))?;
        start = end;

        let x = MARGIN + index * slot;
        area.draw(&Circle::new((x + 5, 94), 5, fill))?;
        let name = format!("{} {:.1} %", stage.stage.name(), stage.work.share * 100.0);
        area.draw_text(
            &name,
            &text(13, BLACK, HPos::Left, VPos::Center),
            (x + 16, 94),
        )?;
    }
    Ok(())
}

/// A step that computes, as a point.
struct Point<'a> {
    step: &'a StepTime,
    /// FLOP a byte.
    intensity: f64,
    gflop_per_s: f64,
}

fn points(profile: &Steps) -> Vec<Point<'_>> {
    let steps = profile.steps.iter().filter(|step| step.work.bytes > 0);
    steps
        .filter_map(|step| {
            Some(Point {
                step,
                intensity: step.work.flop as f64 / step.work.bytes as f64,
                gflop_per_s: step.work.gflop_per_s?,
            })
        })
        .collect()
}

fn roofline(area: &Area, profile: &Steps, limits: Limits) -> Result<()> {
    let points = points(profile);
    let lowest = |value: fn(&Point) -> f64| points.iter().map(value).fold(f64::MAX, f64::min);
    let most = points
        .iter()
        .map(|point| point.intensity)
        .fold(0.0, f64::max);
    let from = lowest(|point| point.intensity).min(limits.ridge()) / 2.0;
    let to = most.max(limits.ridge()) * 4.0;
    let highest = points.iter().map(|point| point.gflop_per_s);
    let top = highest.fold(limits.gflop_per_s, f64::max) * 3.0;
    let bottom = lowest(|point| point.gflop_per_s).min(top) / 2.0;

    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((from..to).log_scale(), (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .bold_line_style(RGBColor(225, 225, 225))
        .light_line_style(TRANSPARENT)
        .axis_style(GREY)
        .label_style(text(12, GREY, HPos::Center, VPos::Top))
        .x_desc("FLOP a byte of what a step binds")
        .y_desc("GFLOP/s")
        .x_label_formatter(&|value| value.to_string())
        .y_label_formatter(&|value| value.to_string())
        .draw()?;

    let roof = |x: f64| (x * limits.gb_per_s).min(limits.gflop_per_s);
    let corners = [from, limits.ridge(), to].map(|x| (x, roof(x)));
    chart.draw_series(LineSeries::new(corners, BLACK.stroke_width(2)))?;
    for point in points.iter().rev() {
        let radius = radius(point.step);
        let place = (point.intensity, point.gflop_per_s);
        let fill = colour(point.step.stage);
        chart.draw_series([Circle::new(place, radius, fill.mix(0.55).filled())])?;
        chart.draw_series([Circle::new(place, radius, fill.stroke_width(1))])?;
    }

    let pixel = |place: (f64, f64)| chart.backend_coord(&place);
    let (across, down) = chart.plotting_area().get_pixel_range();
    let screen = Screen {
        area: &chart.plotting_area().strip_coord_spec(),
        origin: (across.start, down.start),
    };
    let (x, y) = pixel((to, limits.gflop_per_s));
    let told = format!("{} GFLOP/s", figures(limits.gflop_per_s));
    screen.text(
        &told,
        text(12, BLACK, HPos::Right, VPos::Bottom),
        (x - 6, y - 4),
    )?;
    let (x, y) = pixel((from, roof(from)));
    let told = format!("{} GB/s", figures(limits.gb_per_s));
    screen.text(
        &told,
        text(12, BLACK, HPos::Left, VPos::Top),
        (x + 28, y - 8),
    )?;

    let heaviest = points.iter().take(NAMED).zip(1..);
    let numbers = heaviest.map(|(point, number)| {
        let (x, y) = pixel((point.intensity, point.gflop_per_s));
        ((x + radius(point.step) + 4, y), number)
    });
    for (place, number) in apart(numbers.collect()) {
        let style = text(13, BLACK, HPos::Left, VPos::Center);
        screen.text(&number.to_string(), style, place)?;
    }
    Ok(())
}

/// Pixels: the area of a step's point is its share of the time.
fn radius(step: &StepTime) -> i32 {
    (60.0 * step.work.share.sqrt()).clamp(3.0, 18.0) as i32
}

/// The numbers, those that would lie on an earlier one moved down.
fn apart(mut numbers: Vec<((i32, i32), usize)>) -> Vec<((i32, i32), usize)> {
    let (wide, high) = (12, 13);
    numbers.sort_by_key(|((_, y), _)| *y);
    for index in 1..numbers.len() {
        let (earlier, later) = numbers.split_at_mut(index);
        let (x, y) = &mut later[0].0;
        let near = earlier.iter().map(|(place, _)| *place);
        let near = near.filter(|(other, _)| (other - *x).abs() < wide);
        *y = near.fold(*y, |y, (_, other)| y.max(other + high));
    }
    numbers
}

/// The steps whose points have a number.
fn key(area: &Area, profile: &Steps) -> Result<()> {
    let title = "Heaviest steps of those that compute";
    area.draw_text(title, &text(13, BLACK, HPos::Left, VPos::Top), (8, 16))?;
    for (point, row) in points(profile).iter().take(NAMED).zip(0..) {
        let (step, y) = (point.step, 50 + row * 38);
        let number = (row + 1).to_string();
        area.draw(&Circle::new((15, y), 6, colour(step.stage).filled()))?;
        area.draw_text(&number, &text(13, BLACK, HPos::Left, VPos::Center), (30, y))?;
        area.draw_text(
            &made(step),
            &text(12, BLACK, HPos::Left, VPos::Center),
            (46, y),
        )?;
        let told = format!(
            "{} ms, {} GFLOP/s, {:.0} % of the limit",
            figures(step.work.ms),
            figures(point.gflop_per_s),
            step.work.of_limit.unwrap_or(0.0) * 100.0
        );
        area.draw_text(
            &told,
            &text(12, GREY, HPos::Left, VPos::Center),
            (46, y + 16),
        )?;
    }
    Ok(())
}

/// Its name with the size of what it makes, since one layer serves several levels.
fn made(step: &StepTime) -> String {
    match step.output[..] {
        [_, channels, height, width] => format!("{} → {channels} × {height} × {width}", step.name),
        [rows, columns] => format!("{} → {rows} × {columns}", step.name),
        _ => step.name.clone(),
    }
}

/// An area that is drawn on in the whole picture's pixels.
struct Screen<'a, 'b> {
    area: &'a Area<'b>,
    origin: (i32, i32),
}

impl Screen<'_, '_> {
    fn inside(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x - self.origin.0, y - self.origin.1)
    }

    fn text(&self, text: &str, style: TextStyle, place: (i32, i32)) -> Result<()> {
        let drawn = self.area.draw_text(text, &style, self.inside(place));
        drawn.map_err(Error::from)
    }
}

/// Steps of one name and stage.
struct Bar<'a> {
    name: &'a str,
    stage: Stage,
    steps: usize,
    ms: f64,
}

/// Steps without operations to speak of, the heaviest first.
fn bars(profile: &Steps) -> Vec<Bar<'_>> {
    let mut bars: Vec<Bar> = Vec::new();
    for step in profile.steps.iter().filter(|step| step.work.flop == 0) {
        let same = |bar: &&mut Bar| bar.name == step.name && bar.stage == step.stage;
        match bars.iter_mut().find(same) {
            Some(bar) => {
                bar.steps += 1;
                bar.ms += step.work.ms;
            }
            None => bars.push(Bar {
                name: &step.name,
                stage: step.stage,
                steps: 1,
                ms: step.work.ms,
            }),
        }
    }
    bars.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    bars
}

fn draw_bars(area: &Area, bars: &[Bar]) -> Result<()> {
    let together: f64 = bars.iter().map(|bar| bar.ms).sum();
    let title = format!("Steps without FLOP: {} ms together", figures(together));
    area.draw_text(&title, &text(13, BLACK, HPos::Left, VPos::Top), (8, 0))?;

    let longest = bars.first().map_or(0.0, |bar| bar.ms);
    let (left, full) = (140, 190.0);
    for (bar, row) in bars.iter().take(MOST_BARS).zip(0..) {
        let y = 36 + row * 24;
        let part = if longest > 0.0 { bar.ms / longest } else { 0.0 };
        let end = left + (full * part).ceil() as i32;
        let name = match bar.steps {
            1 => bar.name.to_owned(),
            steps => format!("{steps} × {}", bar.name),
        };
        area.draw_text(
            &name,
            &text(12, BLACK, HPos::Right, VPos::Center),
            (left - 8, y),
        )?;
        let fill = colour(bar.stage).filled();
        area.draw(&Rectangle::new([(left, y - 7), (end, y + 7)], fill))?;
        let ms = format!("{} ms", figures(bar.ms));
        area.draw_text(&ms, &text(12, GREY, HPos::Left, VPos::Center), (end + 6, y))?;
    }
    Ok(())
}
