//! A headless Chromium with the page in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fpn_web_server::{Server, Site};
use headless_chrome::protocol::cdp::Page::{
    AddScriptToEvaluateOnNewDocument, CaptureScreenshotFormatOption,
};
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::{Browser, LaunchOptions, Tab};
use image::RgbImage;
use serde::de::DeserializeOwned;

/// Longest that a page may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// No window, and nothing that wants the network or goes on beside the page.
const FLAGS: [&str; 7] = [
    "--headless=new",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
];

/// Lets Chromium offer WebGPU on any driver, SwiftShader where there is no GPU.
const WEBGPU: &str = "--enable-unsafe-webgpu";

/// Lets it draw on a canvas by its own driver, SwiftShader, which otherwise serves computations alone.
const DRAWING: [&str; 3] = [
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--use-angle=swiftshader",
];

/// Notes every task of the page's main thread that takes longer than 50 ms.
const WATCH_TASKS: &str = "
    window.longTasks = [];
    new PerformanceObserver((list) => {
        longTasks.push(...list.getEntries().map((task) => task.duration));
    }).observe({ type: 'longtask', buffered: true });
";

/// One browser at a time: they would take each other's processors.
static ALONE: Mutex<()> = Mutex::new(());

/// A browser at the page, which is served with some files from memory beside it.
pub struct Chromium {
    tab: Arc<Tab>,
    console: Arc<Mutex<Vec<String>>>,
    server: Server,
    _browser: Browser,
    _alone: MutexGuard<'static, ()>,
}

impl Chromium {
    /// With WebGPU.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::launch(files, &[WEBGPU])
    }

    /// With WebGPU, also on canvases, and these flags.
    pub fn drawing(more: &[&str]) -> Self {
        let icd = std::env::var("VK_ICD_FILENAMES").unwrap_or_default();
        let mut flags = vec![WEBGPU];
        if icd.contains("swiftshader") {
            flags.extend(DRAWING);
        }
        flags.extend(more);
        Self::launch(BTreeMap::new(), &flags)
    }

    /// As a browser that has none.
    pub fn without_webgpu() -> Self {
        let chromium = Self::launch(BTreeMap::new(), &[]);
        chromium.on_new_pages("delete Navigator.prototype.gpu;");
        chromium
    }

    fn launch(files: BTreeMap<String, Vec<u8>>, flags: &[&str]) -> Self {
        // A test that failed has left nothing behind.
        let alone = ALONE
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let folder = target().join("web");
        assert!(
            folder.join("index.html").exists(),
            "the page is not built: run `cargo xtask web`"
        );
        let server = Server::start(Site { folder, files }, 0).expect("a port is free");
        let browser = Browser::new(LaunchOptions {
            // As root there is none, and no foreign page is opened.
            sandbox: false,
            enable_gpu: true,
            window_size: Some((1280, 900)),
            idle_browser_timeout: PATIENCE,
            args: FLAGS.iter().chain(flags).map(OsStr::new).collect(),
            ..LaunchOptions::default()
        });
        let browser = browser.expect("Chromium starts");
        let tab = browser.new_tab().expect("a tab opens");
        tab.enable_log().expect("the console can be watched");
        tab.enable_runtime().expect("the console can be watched");
        let console = Arc::<Mutex<Vec<String>>>::default();
        let heard = console.clone();
        tab.add_event_listener(Arc::new(move |event: &Event| {
            if let Some(text) = complaint(event) {
                heard.lock().expect("no panic holds the lock").push(text);
            }
        }))
        .expect("the console can be watched");
        let chromium = Self {
            tab,
            console,
            server,
            _browser: browser,
            _alone: alone,
        };
        chromium.on_new_pages(WATCH_TASKS);
        chromium
    }

    fn on_new_pages(&self, script: &str) {
        self.tab
            .call_method(AddScriptToEvaluateOnNewDocument {
                source: script.to_owned(),
                world_name: None,
                include_command_line_api: None,
                run_immediately: None,
            })
            .expect("a script can be added");
    }

    /// Go to the page with a query, and wait until it is done: its state then.
    pub fn open(&self, query: &str) -> String {
        self.console
            .lock()
            .expect("no panic holds the lock")
            .clear();
        let query = match query {
            query if query.is_empty() || query.starts_with('#') => query.to_owned(),
            query => format!("?{query}"),
        };
        let url = self.server.url(&query);
        // What is left says nothing of what comes.
        self.text("document.body.dataset.state = 'left'");
        self.tab.navigate_to(&url).expect("the page opens");
        let start = Instant::now();
        loop {
            // Between two pages nothing can be asked.
            let state = self.tab.evaluate("document.body?.dataset.state", false);
            let state = state.ok().and_then(|state| state.value);
            if let Some(serde_json::Value::String(state)) = state
                && !["left", "loading"].contains(&state.as_str())
            {
                return state;
            }
            assert!(start.elapsed() < PATIENCE, "{query}: {}", self.message());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What the page tells its user.
    pub fn message(&self) -> String {
        self.text("document.getElementById('message').textContent")
    }

    /// Errors and warnings on the console.
    pub fn console(&self) -> Vec<String> {
        self.console
            .lock()
            .expect("no panic holds the lock")
            .clone()
    }

    /// Milliseconds of the longest task of the main thread since the page was opened; 0 where none took longer
    /// than 50, which browsers do not tell of.
    pub fn longest_task(&self) -> f64 {
        self.number("Math.max(0, ...longTasks)")
    }

    /// Milliseconds since the page was opened.
    pub fn age(&self) -> f64 {
        self.number("performance.now()")
    }

    fn number(&self, script: &str) -> f64 {
        let text = self.text(&format!("String({script})"));
        text.parse().expect("a number")
    }

    /// The JSON in the script element with this id.
    pub fn json<T: DeserializeOwned>(&self, id: &str) -> T {
        let text = self.text(&format!("document.getElementById('{id}').textContent"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("#{id}: {error} in {text:?}"))
    }

    /// The string that a script, or its promise, comes to.
    pub fn text(&self, script: &str) -> String {
        let result = self.tab.evaluate(script, true).expect("the script runs");
        match result.value {
            Some(serde_json::Value::String(text)) => text,
            other => panic!("{script}: {other:?} {:?}", result.description),
        }
    }

    /// Keep what is on the screen as `target/web/NAME.png`.
    pub fn keep_screenshot(&self, name: &str) {
        self.screenshot(name);
    }

    /// The same, and look at it.
    pub fn screenshot(&self, name: &str) -> RgbImage {
        let format = CaptureScreenshotFormatOption::Png;
        let shot = self.tab.capture_screenshot(format, None, None, true);
        let shot = shot.expect("a screenshot is taken");
        let file = target().join("web").join(name).with_extension("png");
        std::fs::write(file, &shot).expect("it can be written");
        let drawn = image::load_from_memory(&shot).expect("Chromium writes PNG");
        drawn.into_rgb8()
    }
}

/// What goes to the console as an error or a warning.
fn complaint(event: &Event) -> Option<String> {
    use headless_chrome::protocol::cdp::Log::LogEntryLevel;
    use headless_chrome::protocol::cdp::Runtime::ConsoleAPICalledEventTypeOption as Call;
    match event {
        Event::LogEntryAdded(event) => {
            let entry = &event.params.entry;
            let is_bad = matches!(entry.level, LogEntryLevel::Error | LogEntryLevel::Warning);
            is_bad.then(|| {
                format!(
                    "{} {}",
                    entry.text,
                    entry.url.as_deref().unwrap_or_default()
                )
            })
        }
        Event::RuntimeConsoleAPICalled(event) => {
            let is_bad = matches!(
                event.params.Type,
                Call::Error | Call::Warning | Call::Assert
            );
            let said = event.params.args.iter();
            let said = said.flat_map(|said| said.value.as_ref().map(ToString::to_string));
            is_bad.then(|| said.collect::<Vec<_>>().join(" "))
        }
        Event::RuntimeExceptionThrown(event) => Some(event.params.exception_details.text.clone()),
        _ => None,
    }
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}
