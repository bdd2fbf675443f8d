//! The losses of a training, drawn.

use anyhow::Result;
use fpn_wgpu::train::StepReport;
use plotters::prelude::*;

/// Of the picture, in pixels.
const SIZE: (u32, u32) = (1000, 560);

/// An SVG of the losses over the steps, at least one, each the mean of some hundredth of them.
pub fn draw(steps: &[StepReport]) -> Result<String> {
    let window = (steps.len() / 100).max(1);
    let curve_of = |name: &'static str, value: &dyn Fn(&StepReport) -> f32| {
        let means = steps.chunks(window).map(|chunk| {
            let sum: f64 = chunk.iter().map(|report| f64::from(value(report))).sum();
            let middle = chunk[chunk.len() / 2].step as f64;
            (middle, sum / chunk.len() as f64)
        });
        (name, means.collect::<Vec<_>>())
    };
    let mut curves = vec![curve_of("all", &|report| report.loss)];
    let parts = steps.first().map(|report| report.parts.named());
    for (index, (name, _)) in parts.unwrap_or_default().into_iter().enumerate() {
        let part = |report: &StepReport| report.parts.named().get(index).map_or(0.0, |part| part.1);
        curves.push(curve_of(name, &part));
    }
    let highest = curves[0]
        .1
        .iter()
        .map(|&(_, loss)| loss)
        .fold(0.1, f64::max);
    let last = steps.last().map_or(1, |report| report.step) as f64;

    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..last.max(1.0), 0.0..highest * 1.05)?;
        chart
            .configure_mesh()
            .x_desc("step")
            .y_desc("loss")
            .light_line_style(RGBColor(240, 240, 240))
            .draw()?;
        for (index, (name, points)) in curves.into_iter().enumerate() {
            let colour = colorous::TABLEAU10[index];
            let colour = RGBColor(colour.r, colour.g, colour.b);
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .background_style(WHITE)
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}
