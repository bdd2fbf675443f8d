//! The detector at work, beside the window: it takes pictures from a player, and tells what it saw.

mod choice;
mod load;
mod seen;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::task::Poll;
use std::time::Duration;

use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::weights::official::Known;
use fpn_wgpu::{Detector, FeatureMap};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use web_time::Instant;

pub use choice::{Choice, DeviceChoice, InputSize, WeightsChoice};
pub use seen::{Fetched, Inspected, ModelCard, Outline, Seen, Times, Views};

use crate::platform;
use crate::source::{Frame, Player};

/// Between two pictures that are looked at while another detector is made.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What the engine is asked for.
enum Command {
    /// There may be a picture to look at.
    Look,
    /// Nobody wants anything any more.
    End,
    /// From now on, these pictures.
    Watch(Arc<Player>),
    /// The window has another device, which a detector can share if there is one.
    Window(Option<Arc<Gpu>>),
    /// Another detector, wanted as the number'th.
    Load(Choice, u64),
    /// Its weights are here.
    Make(Choice, u64),
    /// Another overlap above which the weaker of two boxes falls.
    NmsThreshold(f32),
    /// How the detections of this picture came to be, asked as the number'th.
    Inspect(Frame, u64),
    /// Look at this picture again, asked as the number'th.
    Again(Frame, u64),
    /// The levels of this picture if nothing were handed down.
    Alone(Frame),
}

/// What the engine tells.
pub enum Event {
    /// The adapters of this machine, best first; whether each computes on the CPU.
    Adapters(Vec<(String, bool)>),
    /// Of the weights of the detector that is wanted as the number'th, so much has come.
    Fetched(Fetched, u64),
    /// A detector is there, wanted as the number'th.
    Loaded(Arc<ModelCard>, u64),
    /// It is not: why. The last one goes on.
    NotLoaded(String, u64),
    /// A picture was looked at.
    Seen(Seen),
    /// The detections of a picture with all that led to them.
    Inspected(Inspected),
    /// The levels of a picture if nothing were handed down.
    Alone(Frame, Vec<FeatureMap>),
    /// That could not be found out: why.
    NotInspected(String),
    /// A picture could not be looked at: why.
    Failed(String),
}

/// The window's end of it.
pub struct Engine {
    commands: UnboundedSender<Command>,
    events: Receiver<Event>,
    /// How many detectors were wanted so far.
    asked: Cell<u64>,
    wanted: Arc<Wanted>,
    newest: Arc<Newest>,
}

/// The number of the detector that is being made, or is to be: others need not be finished. 0 where there is none.
#[derive(Default)]
struct Wanted(AtomicU64);

impl Wanted {
    fn set(&self, number: u64) {
        self.0.store(number, Ordering::SeqCst);
    }

    fn is(&self, number: u64) -> bool {
        self.0.load(Ordering::SeqCst) == number
    }

    /// It is there, or cannot be had; whether it was still wanted.
    fn end(&self, number: u64) -> bool {
        let (order, none) = (Ordering::SeqCst, 0);
        self.0.compare_exchange(number, none, order, order).is_ok()
    }

    /// Want that one again, unless another is wanted by now.
    fn again(&self, number: u64) {
        let (order, none) = (Ordering::SeqCst, 0);
        self.0.compare_exchange(none, number, order, order).ok();
    }
}

/// The numbers of what was asked for last: what was asked before need not be answered any more.
#[derive(Default)]
struct Newest {
    inspection: AtomicU64,
    again: AtomicU64,
    /// Whether levels are read back although they are on the window's device.
    reads_back: AtomicBool,
}

impl Engine {
    /// An engine without a detector, which may share the window's device; `notify` is called whenever there is an event.
    pub fn new(window: Option<Arc<Gpu>>, notify: impl Fn() + Send + Sync + 'static) -> Self {
        let (commands, inbox) = unbounded();
        let (sender, events) = std::sync::mpsc::channel();
        let wanted = Arc::new(Wanted::default());
        let newest = Arc::new(Newest::default());
        let worker = Worker {
            inbox,
            commands: commands.clone(),
            outbox: Outbox {
                sender,
                notify: Arc::new(notify),
            },
            wanted: wanted.clone(),
            newest: newest.clone(),
            window,
            loader: load::Loader::default(),
            player: None,
            ready: None,
            alone: None,
        };
        platform::spawn_behind("detector", async move || worker.work().await);
        Self {
            commands,
            events,
            asked: Cell::new(0),
            wanted,
            newest,
        }
    }

    /// What happened since this was last asked.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.events.try_iter()
    }

    /// Make a detector, instead of one that is still being made.
    pub fn load(&self, choice: Choice) {
        let number = self.asked.get() + 1;
        self.asked.set(number);
        self.wanted.set(number);
        self.send(Command::Load(choice, number));
    }

    /// From now on the window is drawn by this device, if a detector can share it.
    pub fn window(&self, window: Option<Arc<Gpu>>) {
        self.send(Command::Window(window));
    }

    /// Whether that is the detector that was wanted last.
    pub fn is_last(&self, number: u64) -> bool {
        self.asked.get() == number
    }

    /// Do not go on making a detector.
    pub fn cancel(&self) {
        self.wanted.set(0);
    }

    /// Look at a player's pictures from now on. It must [`ring`](Self::bell) for each.
    pub fn watch(&self, player: Arc<Player>) {
        self.send(Command::Watch(player));
    }

    /// What a player calls when it has a picture.
    pub fn bell(&self) -> impl Fn() + Send + 'static {
        let commands = self.commands.clone();
        move || drop(commands.unbounded_send(Command::Look))
    }

    /// Let the weaker of two boxes fall where they overlap by more than this.
    pub fn nms_threshold(&self, threshold: f32) {
        self.send(Command::NmsThreshold(threshold));
    }

    /// Find out how the detections of a picture came to be.
    pub fn inspect(&self, frame: Frame) {
        let number = self.newest.inspection.fetch_add(1, Ordering::SeqCst) + 1;
        self.send(Command::Inspect(frame, number));
    }

    /// Look at a picture again.
    pub fn again(&self, frame: Frame) {
        let number = self.newest.again.fetch_add(1, Ordering::SeqCst) + 1;
        let given = Instant::now();
        self.send(Command::Again(Frame { given, ..frame }, number));
    }

    /// Read levels back although they are on the window's device, or not.
    pub fn read_back(&self, reads_back: bool) {
        self.newest.reads_back.store(reads_back, Ordering::SeqCst);
    }

    /// Find out what the levels of a picture would be if nothing were handed down.
    pub fn alone(&self, frame: Frame) {
        self.send(Command::Alone(frame));
    }

    fn send(&self, command: Command) {
        // It works for as long as the window is there.
        self.commands.unbounded_send(command).ok();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.cancel();
        self.send(Command::End);
    }
}

#[derive(Clone)]
struct Outbox {
    sender: Sender<Event>,
    notify: Arc<dyn Fn() + Send + Sync>,
}

impl Outbox {
    fn send(&self, event: Event) {
        self.sender.send(event).ok();
        (self.notify)();
    }
}

/// The engine's own end.
struct Worker {
    inbox: UnboundedReceiver<Command>,
    /// What it wants of itself, after what is waiting.
    commands: UnboundedSender<Command>,
    outbox: Outbox,
    wanted: Arc<Wanted>,
    newest: Arc<Newest>,
    /// The window's device, if a detector can share it.
    window: Option<Arc<Gpu>>,
    loader: load::Loader,
    player: Option<Arc<Player>>,
    ready: Option<Ready>,
    /// The same model without the way down, made when it is first asked for.
    alone: Option<Detector>,
}

/// The device that a detector computes on, if it is one.
fn gpu_of(detector: &Detector) -> Option<&Arc<Gpu>> {
    detector.gpu_engine().map(|engine| engine.gpu())
}

/// The detector that looks at pictures.
struct Ready {
    detector: Detector,
    card: Arc<ModelCard>,
    /// The number'th that was wanted.
    number: u64,
}

impl Worker {
    async fn work(mut self) {
        let adapters = load::adapters().await;
        self.outbox.send(Event::Adapters(adapters));
        while let Ok(command) = self.inbox.recv().await {
            match command {
                Command::Look => {}
                Command::End => return,
                Command::Watch(player) => self.player = Some(player),
                Command::Load(choice, number) => match choice.weights {
                    WeightsChoice::Published(known) => self.fetch(known, choice, number),
                    _ => self.load(&choice, number).await,
                },
                Command::Make(choice, number) => self.load(&choice, number).await,
                Command::Window(window) => self.window = window,
                Command::NmsThreshold(threshold) => self.set_threshold(threshold),
                Command::Inspect(frame, number) => {
                    if self.newest.inspection.load(Ordering::SeqCst) == number {
                        self.inspect(&frame).await;
                    }
                }
                Command::Again(frame, number) => {
                    if self.newest.again.load(Ordering::SeqCst) == number {
                        self.look(frame).await;
                    }
                }
                Command::Alone(frame) => self.look_alone(frame).await,
            }
            self.look_at_newest().await;
        }
    }

    /// Have weights fetched, and go on meanwhile.
    fn fetch(&self, known: Known, choice: Choice, number: u64) {
        let (wanted, still_wanted) = (self.wanted.clone(), self.wanted.clone());
        let (outbox, told) = (self.outbox.clone(), self.outbox.clone());
        let commands = self.commands.clone();
        platform::fetch(
            known,
            move || wanted.is(number),
            move |fetched| told.send(Event::Fetched(fetched, number)),
            move |got| match got {
                Ok(()) => drop(commands.unbounded_send(Command::Make(choice, number))),
                Err(told) if still_wanted.end(number) => {
                    outbox.send(Event::NotLoaded(told, number));
                }
                Err(_) => {}
            },
        );
    }

    async fn load(&mut self, choice: &Choice, number: u64) {
        let wanted = self.wanted.clone();
        let is_wanted = move || wanted.is(number);
        if !is_wanted() {
            return;
        }
        // The last detector goes on meanwhile.
        let mut loader = std::mem::take(&mut self.loader);
        let window = self.window.clone();
        let outcome = {
            let mut made = pin!(loader.load(choice, window.as_ref(), &is_wanted));
            let mut looked = Instant::now();
            loop {
                let polled = poll_fn(|context| match made.as_mut().poll(context) {
                    Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                    Poll::Pending if looked.elapsed() > BETWEEN_LOOKS => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                });
                if let Some(outcome) = polled.await {
                    break outcome;
                }
                self.look_at_newest().await;
                looked = Instant::now();
            }
        };
        self.loader = loader;
        let Some(outcome) = outcome else {
            return;
        };
        self.wanted.end(number);
        match outcome {
            Err(told) => self.outbox.send(Event::NotLoaded(told, number)),
            Ok((detector, card)) => {
                let card = Arc::new(card);
                self.alone = None;
                self.ready = Some(Ready {
                    detector,
                    card: card.clone(),
                    number,
                });
                self.outbox.send(Event::Loaded(card, number));
            }
        }
    }

    fn set_threshold(&mut self, threshold: f32) {
        if let Some(ready) = &mut self.ready
            && let Err(error) = ready.detector.set_nms_threshold(threshold)
        {
            self.outbox.send(Event::Failed(error.to_string()));
        }
    }

    async fn look_at_newest(&mut self) {
        if self.ready.is_some()
            && let Some(frame) = self.player.as_ref().and_then(|player| player.take())
        {
            self.look(frame).await;
            // The next is made when it is asked for; what was sent meanwhile comes first.
            self.commands.unbounded_send(Command::Look).ok();
        }
    }

    async fn look(&mut self, frame: Frame) {
        let Some(Ready { detector, card, .. }) = &self.ready else {
            return;
        };
        let began = Instant::now();
        let [width, height] =
            [frame.picture.width(), frame.picture.height()].map(|side| side as usize);
        let sizes = match detector.frame(width, height) {
            Ok(sizes) => sizes,
            Err(error) => return self.fail(format!("{}: {error}", frame.name)),
        };
        if let Err(error) = detector.prepare(width, height, platform::pause).await {
            return self.fail(format!("{}: {error}", frame.name));
        }
        let gpu = gpu_of(detector);
        // What is on the window's device is drawn from there.
        let reads_back = self.newest.reads_back.load(Ordering::SeqCst);
        let sent = match self.is_windows(detector) && !reads_back {
            true => detector.start_keeping_maps(&frame.picture),
            false => detector
                .start_with_maps(&frame.picture)
                .map(|pending| (pending, None)),
        };
        let uploaded = began.elapsed();
        let looked = match sent {
            Ok((pending, kept)) => {
                let finished = platform::drive(pending.finish_timed(), gpu).await;
                finished.map(|((found, maps), parts)| {
                    let views = match (kept, gpu) {
                        (Some(kept), Some(gpu)) => Views::Device(kept, gpu.clone()),
                        _ => Views::Host(maps),
                    };
                    (found, views, parts)
                })
            }
            Err(error) => Err(error),
        };
        match looked {
            Err(error) => {
                let told = format!("{}: {error}", frame.name);
                self.fail(told);
            }
            Ok((detections, views, parts)) => {
                let times = Times {
                    detected: began.elapsed(),
                    uploaded,
                    parts,
                };
                let seen = Seen {
                    frame,
                    model: card.clone(),
                    sizes,
                    detections,
                    views,
                    times,
                    gpu_bytes: detector.gpu_engine().map(|engine| engine.bytes()),
                };
                self.outbox.send(Event::Seen(seen));
            }
        }
    }

    /// Whether a detector computes on the window's device.
    fn is_windows(&self, detector: &Detector) -> bool {
        match (detector.gpu_engine(), &self.window) {
            (Some(engine), Some(window)) => Arc::ptr_eq(engine.gpu(), window),
            _ => false,
        }
    }

    async fn inspect(&mut self, frame: &Frame) {
        let Some(Ready { detector, card, .. }) = &self.ready else {
            return;
        };
        let picture = image::DynamicImage::from(frame.picture.as_ref().clone());
        let inspected = detector.inspect_async(&picture, platform::pause);
        match platform::drive(inspected, gpu_of(detector)).await {
            Ok(inspection) => self.outbox.send(Event::Inspected(Inspected {
                frame: frame.clone(),
                model: card.clone(),
                inspection,
            })),
            Err(error) => {
                let told = format!("{}: {error}", frame.name);
                self.outbox.send(Event::NotInspected(told));
            }
        }
    }

    async fn look_alone(&mut self, frame: Frame) {
        let Some(Ready { card, .. }) = &self.ready else {
            return;
        };
        if self.alone.is_none() {
            let made = self.loader.make_alone(&card.choice, self.window.as_ref());
            match made.await {
                Ok(detector) => self.alone = Some(detector),
                Err(told) => return self.fail(told),
            }
        }
        let picture = image::DynamicImage::from(frame.picture.as_ref().clone());
        let Some(detector) = &self.alone else {
            return;
        };
        let maps = detector.maps_async(&picture, platform::pause);
        match platform::drive(maps, gpu_of(detector)).await {
            Ok(maps) => self.outbox.send(Event::Alone(frame, maps)),
            Err(error) => self.fail(format!("{}: {error}", frame.name)),
        }
    }

    /// Say so. On a device that is lost the detector is made anew, unless another is wanted by then.
    fn fail(&mut self, told: String) {
        let is_lost = self.ready.take_if(|ready| {
            let gpu = gpu_of(&ready.detector);
            gpu.is_some_and(|gpu| gpu.fault().is_some())
        });
        let Some(lost) = is_lost else {
            self.outbox.send(Event::Failed(told));
            return;
        };
        if self.is_windows(&lost.detector) {
            // Another window will want another detector.
            return;
        }
        let Ready { card, number, .. } = lost;
        self.loader.gpu = None;
        self.outbox
            .send(Event::Failed(format!("{told}; the detector is made anew")));
        self.wanted.again(number);
        let again = Command::Make(card.choice.clone(), number);
        self.commands.unbounded_send(again).ok();
    }
}
