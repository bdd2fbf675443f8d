//! Figures for people.

use comfy_table::Table;
use fpn_wgpu::eval::{Metrics, ShapeMetrics};

use super::super::report::{align_right, new_table};

/// A table by boxes, with a line for each class; a line of the other figures under it; and the same by masks and by
/// keypoints where there are such figures.
pub fn text(metrics: &Metrics) -> String {
    let mut parts = vec![by_boxes(metrics).to_string()];
    let figures = [
        ("AP75", metrics.ap75),
        ("AP of small objects", metrics.ap_small),
        ("medium", metrics.ap_medium),
        ("large", metrics.ap_large),
        ("AR100", metrics.ar100),
    ];
    parts.push(line(&figures));
    if let Some(shapes) = &metrics.segm {
        parts.push(by_shapes("by masks", shapes).to_string());
        let figures = [
            ("AP75", shapes.ap75),
            ("AP of small objects", shapes.ap_small),
            ("medium", shapes.ap_medium),
            ("large", shapes.ap_large),
            ("AR100", shapes.ar),
        ];
        parts.push(line(&figures));
    }
    if let Some(shapes) = &metrics.keypoints {
        parts.push(by_shapes("by keypoints", shapes).to_string());
        let figures = [
            ("AP75", shapes.ap75),
            ("AP of medium objects", shapes.ap_medium),
            ("large", shapes.ap_large),
            ("AR20", shapes.ar),
        ];
        parts.push(line(&figures));
    }
    parts.join("\n")
}

fn by_boxes(metrics: &Metrics) -> Table {
    let mut table = new_table(["class", "objects", "AP", "AP50", "VOC AP50"]);
    for class in &metrics.classes {
        table.add_row([
            class.name.clone(),
            class.objects.to_string(),
            figure(class.ap),
            figure(class.ap50),
            figure(class.voc_ap50),
        ]);
    }
    let objects: usize = metrics.classes.iter().map(|class| class.objects).sum();
    table.add_row([
        "all".to_owned(),
        objects.to_string(),
        figure(metrics.ap),
        figure(metrics.ap50),
        figure(metrics.voc_ap50),
    ]);
    align_right(&mut table, 1..5);
    table
}

/// Classes without anything to be found are left out: few have keypoints.
fn by_shapes(title: &str, shapes: &ShapeMetrics) -> Table {
    let mut table = new_table([title, "objects", "AP", "AP50"]);
    for class in shapes.classes.iter().filter(|class| class.objects > 0) {
        table.add_row([
            class.name.clone(),
            class.objects.to_string(),
            figure(class.ap),
            figure(class.ap50),
        ]);
    }
    let objects: usize = shapes.classes.iter().map(|class| class.objects).sum();
    table.add_row([
        "all".to_owned(),
        objects.to_string(),
        figure(shapes.ap),
        figure(shapes.ap50),
    ]);
    align_right(&mut table, 1..4);
    table
}

/// Figures of the same kind side by side.
fn line(figures: &[(&str, Option<f64>)]) -> String {
    let mut line = String::new();
    for (index, (name, value)) in figures.iter().enumerate() {
        // "AP75 …; AP of small objects …, medium …, large …; AR100 …"
        let is_size = name.chars().all(char::is_lowercase);
        line += match index {
            0 => "",
            _ if is_size => ", ",
            _ => "; ",
        };
        line += &format!("{name} {}", figure(*value));
    }
    line
}

fn figure(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.3}"))
}
