//! The picture with its boxes.

use eframe::egui::{
    Color32, CornerRadius, CursorIcon, Id, Painter, PointerButton, Pos2, Rect, Response, Role,
    Sense, Stroke, StrokeKind, TextureHandle, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use fpn_wgpu::Detection;
use fpn_wgpu::data::scenes::Hold;

use crate::action::Action;
use crate::engine::Seen;
use crate::paint::{dashed, label, outline};
use crate::state::{BoxStage, State, View};

use super::{levels, stages, story};

/// Most that a picture is enlarged.
pub const MOST_ZOOM: f32 = 40.0;

/// Size of the handle that resizes a shape, in points.
const HANDLE: f32 = 7.0;

/// From a picture's pixels to the window's points.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where all of the picture would be.
    pub rect: Rect,
    /// Where it may be drawn.
    pub bounds: Rect,
    /// Points a pixel.
    scale: f32,
}

impl Place {
    /// The picture of so many pixels in `bounds`, as far as the view shows it.
    pub fn new(bounds: Rect, [width, height]: [usize; 2], view: View) -> Self {
        let pixels = vec2(width.max(1) as f32, height.max(1) as f32);
        let fits = (bounds.size() / pixels).min_elem();
        let scale = fits * view.zoom;
        let size = pixels * scale;
        let [x, y] = view.centre;
        let min = bounds.center() - size * vec2(x, y);
        Self {
            rect: Rect::from_min_size(min, size),
            bounds,
            scale,
        }
    }

    /// A box of the picture.
    pub fn rect_of(&self, [x1, y1, x2, y2]: [f32; 4]) -> Rect {
        Rect::from_min_max(self.point([x1, y1]), self.point([x2, y2]))
    }

    /// A place of the picture.
    pub fn point(&self, [x, y]: [f32; 2]) -> Pos2 {
        self.rect.min + vec2(x, y) * self.scale
    }

    /// The place of the picture at a point.
    pub fn pixel(&self, point: Pos2) -> [f32; 2] {
        let place = (point - self.rect.min) / self.scale;
        [place.x, place.y]
    }

    /// The part of the picture that can be seen, in shares of it.
    pub fn part(&self) -> Rect {
        let share = |point: Pos2| ((point - self.rect.min) / self.rect.size()).to_pos2();
        Rect::from_min_max(share(self.bounds.min), share(self.bounds.max))
    }
}

/// Draw the picture that is shown; and the pinned one beside it.
pub fn show(
    ui: &mut Ui,
    state: &mut State,
    textures: [Option<&TextureHandle>; 2],
    actions: &mut Vec<Action>,
) {
    let Some(seen) = state.shown.clone() else {
        waiting(ui, state);
        return;
    };
    let all = ui.available_rect_before_wrap();
    let [texture, pinned_texture] = textures;
    let (bounds, beside) = match (&state.pinned, pinned_texture) {
        (Some(pinned), Some(texture)) => {
            let (left, right) = all.split_left_right_at_fraction(0.5);
            (
                left.shrink2(vec2(1.0, 0.0)),
                Some((pinned.clone(), texture, right)),
            )
        }
        _ => (all, None),
    };
    let response = ui.allocate_rect(all, Sense::click_and_drag());
    response.widget_info(|| {
        let found = state.visible(&seen).count();
        let told = format!("Picture, {found} found");
        WidgetInfo::labeled(Role::Image, true, told)
    });
    let place = Place::new(bounds, size_of(&seen), state.view);
    zoom_and_pan(ui, state, &response, &place);
    let place = Place::new(bounds, size_of(&seen), state.view);
    let painter = ui.painter_at(bounds);
    draw_around(&painter, place.rect, bounds);
    if let Some(texture) = texture {
        draw_texture(&painter, texture, place.rect);
    }
    let pointer = response.hover_pos().filter(|point| bounds.contains(*point));
    state.cursor = pointer
        .filter(|point| place.rect.contains(*point))
        .map(|point| place.pixel(point));
    let is_held = grab(ui, state, &seen, &place, &response, actions);
    draw_boxes(&painter, state, &seen, &place, pointer.filter(|_| !is_held));
    levels::draw_cell(&painter, state, &seen, &place);
    story::draw_way(&painter, state, &place);
    if response.clicked() && !is_held {
        state.selected = state.hovered;
        if state.selected.is_some() {
            state.settings.panel = crate::state::Panel::Story;
            actions.push(Action::Play(false));
        }
    }
    if let Some((pinned, texture, bounds)) = beside {
        let place = Place::new(bounds, size_of(&pinned), state.view);
        let painter = ui.painter_at(bounds);
        draw_around(&painter, place.rect, bounds);
        draw_texture(&painter, texture, place.rect);
        for (_, found) in state.visible(&pinned) {
            let colour = state.colour_of(found.level, found.label);
            outline(&painter, place.rect_of(found.bbox), colour, 1.5);
        }
        let told = format!(
            "Pinned: {} on {}, {} found, {:.0} ms",
            pinned.model.config.architecture,
            pinned.model.device,
            state.visible(&pinned).count(),
            pinned.times.detected.as_secs_f32() * 1e3,
        );
        label(
            &painter,
            &told,
            bounds.left_top(),
            Color32::from_gray(235),
            bounds,
        );
    }
}

fn size_of(seen: &Seen) -> [usize; 2] {
    [seen.detections.width, seen.detections.height]
}

/// While there is no picture yet.
fn waiting(ui: &mut Ui, state: &State) {
    let all = ui.available_rect_before_wrap();
    ui.painter().rect_filled(all, 0.0, Color32::from_gray(18));
    ui.centered_and_justified(|ui| match &state.model {
        crate::state::ModelState::Loading { .. } => ui.spinner(),
        crate::state::ModelState::Ready => ui.weak("Waiting for a picture"),
        crate::state::ModelState::None => ui.weak("No detector: choose one in the panel Model"),
    });
}

fn draw_texture(painter: &Painter, texture: &TextureHandle, rect: Rect) {
    let all = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    painter.image(texture.id(), rect, all, Color32::WHITE);
}

/// What the picture leaves of its place. Below the picture nothing is drawn: where the window is drawn by software,
/// that would cost as much as the picture.
fn draw_around(painter: &Painter, rect: Rect, bounds: Rect) {
    let rect = rect.intersect(bounds);
    let (above, rest) = bounds.split_top_bottom_at_y(rect.top());
    let (_, below) = rest.split_top_bottom_at_y(rect.bottom());
    let (left, rest) = rest.split_left_right_at_x(rect.left());
    let (_, right) = rest.split_left_right_at_x(rect.right());
    for strip in [above, below, left, right] {
        painter.rect_filled(strip, 0.0, Color32::from_gray(18));
    }
}

/// The wheel zooms about the pointer, dragging pans, a double click shows all.
fn zoom_and_pan(ui: &Ui, state: &mut State, response: &Response, place: &Place) {
    if response.double_clicked() {
        state.view = View::default();
    }
    if let Some(pointer) = response.hover_pos() {
        let (scrolled, pinched) =
            ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
        let factor = (scrolled * 0.005).exp() * pinched;
        let zoom = (state.view.zoom * factor).clamp(1.0, MOST_ZOOM);
        if zoom != state.view.zoom {
            // What is below the pointer stays there.
            let share = (pointer - place.rect.min) / place.rect.size();
            let from_middle = (pointer - place.bounds.center()) / place.rect.size();
            let shrunk = from_middle * (state.view.zoom / zoom);
            state.view.centre = [share.x - shrunk.x, share.y - shrunk.y];
            state.view.zoom = zoom;
        }
    }
    let pans = response.dragged_by(PointerButton::Middle)
        || (response.dragged_by(PointerButton::Primary) && held(ui).is_none());
    if pans && state.view.zoom > 1.0 {
        let moved = response.drag_delta() / place.rect.size();
        let [x, y] = state.view.centre;
        state.view.centre = [x - moved.x, y - moved.y];
    }
    let margin = 0.5 / state.view.zoom;
    state.view.centre = state.view.centre.map(|at| at.clamp(margin, 1.0 - margin));
}

/// What a shape of the scene is held by.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Held {
    label: usize,
    /// From the pointer to its centre, in pixels; none where it is being resized.
    offset: Option<[f32; 2]>,
}

fn held_id() -> Id {
    Id::unique("held shape")
}

fn held(ui: &Ui) -> Option<Held> {
    ui.data(|data| data.get_temp(held_id()))
}

/// Shapes of the scene can be dragged, and made larger or smaller by a handle; whether one is.
fn grab(
    ui: &Ui,
    state: &mut State,
    seen: &Seen,
    place: &Place,
    response: &Response,
    actions: &mut Vec<Action>,
) -> bool {
    let objects = &seen.frame.objects;
    if objects.is_empty() || !state.plays {
        ui.data_mut(|data| data.remove::<Held>(held_id()));
        return false;
    }
    let painter = ui.painter_at(place.bounds);
    let handle = |bbox: [f32; 4]| {
        Rect::from_center_size(place.point([bbox[2], bbox[3]]), Vec2::splat(2.0 * HANDLE))
    };
    let starts = response.drag_started_by(PointerButton::Primary);
    let pressed = ui
        .input(|input| input.pointer.press_origin())
        .filter(|_| starts);
    let pointer = pressed.or(response.hover_pos());
    let under = pointer.and_then(|pointer| {
        // The smallest, which is drawn on top.
        let near = objects.iter().filter(|object| {
            place.rect_of(object.bbox).expand(2.0).contains(pointer)
                || handle(object.bbox).contains(pointer)
        });
        near.min_by(|a, b| a.area.total_cmp(&b.area))
    });
    if let Some(object) = under {
        let rect = handle(object.bbox).shrink(HANDLE / 2.0);
        painter.rect_filled(rect, 1.0, Color32::WHITE);
        painter.rect_stroke(
            rect,
            1.0,
            Stroke::new(1.0, Color32::BLACK),
            StrokeKind::Middle,
        );
        let is_handle = pointer.is_some_and(|pointer| handle(object.bbox).contains(pointer));
        ui.ctx().set_cursor_icon(match is_handle {
            true => CursorIcon::ResizeNwSe,
            false => CursorIcon::Grab,
        });
    }
    let middle = |bbox: [f32; 4]| [(bbox[0] + bbox[2]) / 2.0, (bbox[1] + bbox[3]) / 2.0];
    if response.drag_started_by(PointerButton::Primary)
        && let (Some(object), Some(pointer)) =
            (under, ui.input(|input| input.pointer.press_origin()))
    {
        let at = place.pixel(pointer);
        let centre = middle(object.bbox);
        let held = Held {
            label: object.label,
            offset: (!handle(object.bbox).contains(pointer))
                .then(|| [centre[0] - at[0], centre[1] - at[1]]),
        };
        ui.data_mut(|data| data.insert_temp(held_id(), held));
        let [x1, y1, x2, y2] = object.bbox;
        let size = (x2 - x1).max(y2 - y1);
        state
            .grip
            .entry(object.label)
            .or_insert(Hold { centre, size });
    }
    let Some(Held { label, offset }) = held(ui) else {
        return false;
    };
    if let (Some(pointer), Some(hold)) =
        (response.interact_pointer_pos(), state.grip.get_mut(&label))
    {
        let [x, y] = place.pixel(pointer);
        match offset {
            Some([across, down]) => {
                // Beyond the picture it could not be fetched back.
                let size = [seen.detections.width, seen.detections.height];
                let [width, height] = size.map(|side| side as f32);
                hold.centre = [
                    (x + across).clamp(0.0, width),
                    (y + down).clamp(0.0, height),
                ];
            }
            None => {
                let reach = (x - hold.centre[0]).max(y - hold.centre[1]);
                let most = seen.detections.width.max(seen.detections.height) as f32;
                hold.size = (2.0 * reach).clamp(6.0, most);
            }
        }
        actions.push(Action::Hold(state.grip.clone()));
    }
    if response.drag_stopped() {
        ui.data_mut(|data| data.remove::<Held>(held_id()));
    }
    true
}

/// The boxes of the stage that is shown, which is that of detections unless the picture stands still.
fn draw_boxes(
    painter: &Painter,
    state: &mut State,
    seen: &Seen,
    place: &Place,
    pointer: Option<Pos2>,
) {
    if state.stage != BoxStage::Final && state.inspection().is_some() {
        stages::draw(painter, state, place);
        state.hovered = None;
        return;
    }
    if state.settings.ghosts {
        stages::draw_ghosts(painter, state, place, pointer);
    }
    let on_picture = pointer.and_then(|pointer| {
        let areas = state.visible(seen).filter_map(|(index, found)| {
            let rect = place.rect_of(found.bbox);
            rect.expand(3.0)
                .contains(pointer)
                .then(|| (index, rect.area()))
        });
        let smallest = areas.min_by(|a, b| a.1.total_cmp(&b.1));
        smallest.map(|(index, _)| index)
    });
    state.hovered = match pointer {
        Some(_) => on_picture,
        None => state.listed,
    };
    let emphasized = state.hovered.or(state.selected);
    let mut visible: Vec<(usize, &Detection)> = state.visible(seen).collect();
    // The best last, on top.
    visible.reverse();
    for (index, found) in visible {
        let colour = state.colour_of(found.level, found.label);
        let is_faint = emphasized.is_some_and(|other| other != index);
        let (colour, width) = match is_faint {
            true => (colour.gamma_multiply(0.45), 1.5),
            false => (colour, 2.0),
        };
        let rect = place.rect_of(found.bbox);
        draw_shape(painter, found, place, colour);
        outline(painter, rect, colour, width);
        if Some(index) == emphasized {
            let told = format!("{} {:.3} · P{}", found.name, found.score, found.level);
            label(painter, &told, rect.left_top(), colour, place.bounds);
            if Some(index) == state.hovered {
                let [x1, y1, x2, y2] = found.bbox;
                let told = format!(
                    "{x1:.1}, {y1:.1} – {x2:.1}, {y2:.1}  ({:.0}×{:.0} px)",
                    x2 - x1,
                    y2 - y1
                );
                label(
                    painter,
                    &told,
                    rect.left_bottom() + vec2(0.0, 18.0),
                    Color32::from_gray(235),
                    place.bounds,
                );
            }
        } else if state.settings.names && !is_faint {
            let told = format!("{} {:.2}", found.name, found.score);
            label(painter, &told, rect.left_top(), colour, place.bounds);
        }
    }
}

/// What is found in a detection: landmarks, keypoints, and the outline of its mask.
fn draw_shape(painter: &Painter, found: &Detection, place: &Place, colour: Color32) {
    let points = found.landmarks.iter().flatten().copied();
    let keypoints = found.keypoints.iter().flatten().map(|&[x, y, _]| [x, y]);
    for point in points.chain(keypoints) {
        painter.circle_filled(place.point(point), 3.0, colour);
        painter.circle_stroke(place.point(point), 3.0, Stroke::new(1.0, Color32::BLACK));
    }
    if let Some(mask) = &found.mask {
        let fill = colour.gamma_multiply(0.35);
        let [height, _] = mask.size();
        // Runs go down the columns, as COCO has them.
        for run in mask.ranges() {
            let (mut at, end) = (run.start as usize, run.end as usize);
            while at < end {
                let (x, y) = (at / height, at % height);
                let rest = (end - at).min(height - y);
                let strip = [x as f32, y as f32, (x + 1) as f32, (y + rest) as f32];
                painter.rect_filled(place.rect_of(strip), CornerRadius::ZERO, fill);
                at += rest;
            }
        }
    }
}

/// A box that is no detection, for stages and ghosts.
pub fn draw_faint(painter: &Painter, place: &Place, bbox: [f32; 4], colour: Color32) {
    dashed(painter, place.rect_of(bbox), colour, 1.0);
}
