//! How the GPU engine behaves over many frames, and when something goes wrong.

mod adapter;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fpn_wgpu::compile::ConvSize;
use fpn_wgpu::gpu::{Gpu, GpuError, TuneError, adapters, probe, tune};
use fpn_wgpu::kernels::checks::Random;
use fpn_wgpu::kernels::upsample_add::{self, UpsampleShape, Upsampling};
use fpn_wgpu::models::ModelConfig;
use fpn_wgpu::models::faster_rcnn::RESNET18_FPN;
use fpn_wgpu::models::fpn_resnet::RESNET50;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::plan::{MapInfo, MapKind};
use fpn_wgpu::weights::{self, Checkpoint};
use fpn_wgpu::{BuildError, DetectError, Detection, Detector, FeatureMap};
use image::DynamicImage;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::adapter::{gpu, open as open_gpu};

/// A small detector on `gpu`.
fn face_detector(gpu: Arc<Gpu>) -> Detector {
    let config = ModelConfig::of(MOBILENET025);
    let builder = Detector::builder(weights::seeded(&config, 1)).gpu(gpu);
    builder.build().expect("seeded weights fit")
}

fn picture(width: u32, height: u32) -> DynamicImage {
    weights::picture(1, width, height).into()
}

#[test]
fn a_frame_is_one_submission_and_one_read_back_and_makes_nothing() {
    let gpu = open_gpu();
    let detector = face_detector(gpu.clone());
    let picture = picture(160, 120);
    let first = detector.detect(&picture).expect("the picture suits");
    assert!(!first.items.is_empty());
    let (made, [submissions, read_backs]) = (gpu.counters().made(), gpu.counters().sent());
    for _ in 0..5 {
        assert_eq!(detector.detect(&picture).expect("the picture suits"), first);
    }
    assert_eq!(gpu.counters().made(), made);
    assert_eq!(gpu.counters().sent(), [submissions + 5, read_backs + 5]);
}

#[test]
fn reading_maps_makes_one_buffer() {
    let gpu = open_gpu();
    let detector = face_detector(gpu.clone());
    let picture = picture(160, 120);
    let with_maps = || detector.detect_with_maps(&picture).expect("it suits");
    let (first, maps) = with_maps();
    let made = gpu.counters().made();
    for _ in 0..3 {
        assert_eq!(detector.detect(&picture).as_ref(), Ok(&first));
        assert_eq!(with_maps(), (first.clone(), maps.clone()));
    }
    assert_eq!(gpu.counters().made(), made);
}

#[test]
fn a_new_size_compiles_nothing() {
    let gpu = open_gpu();
    let detector = face_detector(gpu.clone());
    let [_, _, pipelines] = gpu.counters().made();
    for step in 0..50 {
        let picture = picture(64 + 3 * step, 160 - 2 * step);
        detector.detect(&picture).expect("the picture suits");
    }
    let [_, _, after] = gpu.counters().made();
    assert_eq!(after, pipelines);
}

#[test]
fn a_size_that_was_prepared_is_as_ready_as_one_that_was_seen() {
    let gpu = open_gpu();
    let detector = face_detector(gpu.clone());
    let pauses = Cell::new(0);
    let pause = async || pauses.set(pauses.get() + 1);
    pollster::block_on(detector.prepare(160, 120, pause)).expect("the size suits");
    // One a step at least, so that a browser is never held up for long.
    assert!(pauses.get() > 30, "{pauses:?}");
    let made = gpu.counters().made();
    let picture = picture(160, 120);
    assert!(detector.detect(&picture).is_ok());
    assert_eq!(gpu.counters().made(), made);
}

#[test]
fn building_in_slices_gives_the_same_detector() {
    let config = ModelConfig::of(MOBILENET025);
    let pauses = Cell::new(0);
    let builder = Detector::builder(weights::seeded(&config, 1)).gpu(gpu());
    let building = builder.build_async(async || pauses.set(pauses.get() + 1));
    let detector = pollster::block_on(building).expect("seeded weights fit");
    assert!(pauses.get() > 100, "{pauses:?}");
    let picture = picture(160, 120);
    assert_eq!(
        detector.detect(&picture),
        face_detector(gpu()).detect(&picture)
    );
}

#[test]
fn two_frames_can_be_in_flight() {
    let gpu = open_gpu();
    let detector = face_detector(gpu.clone());
    let pictures = [weights::picture(1, 160, 120), weights::picture(2, 160, 120)];
    let alone = pictures.each_ref().map(|picture| {
        detector
            .start(picture)
            .expect("sent")
            .wait()
            .expect("computed")
    });
    assert_ne!(alone[0], alone[1]);
    let made = gpu.counters().made();
    let pending = pictures
        .each_ref()
        .map(|picture| detector.start(picture).expect("sent"));
    assert_eq!(pending.map(|frame| frame.wait().expect("computed")), alone);
    assert_eq!(gpu.counters().made(), made);
}

#[test]
fn the_results_can_be_awaited() {
    let detector = face_detector(gpu());
    let picture = picture(160, 120);
    let waited = detector.detect(&picture).expect("computed");
    // Somebody has to poll the device, as a browser does by itself.
    let frame = detector.start(&picture.to_rgba8()).expect("sent");
    gpu()
        .device()
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("the device works");
    assert_eq!(
        pollster::block_on(frame.finish()).expect("computed"),
        waited
    );
}

#[test]
fn several_threads_can_share_a_detector() {
    let detector = face_detector(gpu());
    let sizes = [(160, 120), (97, 64), (120, 160)];
    let alone =
        sizes.map(|(width, height)| detector.detect(&picture(width, height)).expect("computed"));
    std::thread::scope(|scope| {
        for (size, expected) in sizes.iter().zip(&alone) {
            let detector = &detector;
            scope.spawn(move || {
                for _ in 0..5 {
                    let found = detector.detect(&picture(size.0, size.1));
                    assert_eq!(found.as_ref(), Ok(expected));
                }
            });
        }
    });
}

#[test]
fn a_destroyed_device_is_an_error_and_a_new_one_works() {
    let gpu = open_gpu();
    let detector = face_detector(gpu.clone());
    let picture = picture(160, 120);
    let before = detector.detect(&picture).expect("computed");
    gpu.device().destroy();
    for _ in 0..2 {
        let error = detector.detect(&picture).expect_err("the device is gone");
        assert!(matches!(error, DetectError::Gpu(_)), "{error}");
    }
    assert_eq!(face_detector(open_gpu()).detect(&picture), Ok(before));
}

/// A program that opened a device for itself, and is told of its errors.
struct Host {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    errors: Arc<AtomicUsize>,
    losses: Arc<AtomicUsize>,
}

impl Host {
    /// With WebGPU's default limits and no features unless the descriptor says otherwise.
    fn new(descriptor: &wgpu::DeviceDescriptor<'_>) -> Self {
        let adapter =
            pollster::block_on(adapters::best()).unwrap_or_else(|error| panic!("{error}"));
        let opened = pollster::block_on(adapter.request_device(descriptor));
        let (device, queue) = opened.expect("an adapter has what is asked for");
        let [errors, losses] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let counter = errors.clone();
        device.on_uncaptured_error(Arc::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        let counter = losses.clone();
        device.set_device_lost_callback(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        Self {
            device,
            queue,
            info: adapter.get_info(),
            errors,
            losses,
        }
    }

    fn share(&self) -> Result<Arc<Gpu>, GpuError> {
        Gpu::from_device(self.device.clone(), self.queue.clone(), self.info.clone())
    }

    /// Errors and losses that it was told of.
    fn told(&self) -> [usize; 2] {
        [&self.errors, &self.losses].map(|count| count.load(Ordering::Relaxed))
    }

    /// Ask for a buffer that nobody can have.
    fn blunder(&self) {
        drop(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("the host's"),
            size: 16,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        }));
    }
}

/// A device with WebGPU's default limits, opened by somebody else.
fn foreign_device() -> Arc<Gpu> {
    let host = Host::new(&wgpu::DeviceDescriptor::default());
    host.share().expect("default limits are enough")
}

#[test]
fn a_device_that_is_already_open_can_be_shared() {
    let picture = picture(160, 120);
    let own = face_detector(gpu()).detect(&picture);
    assert_eq!(face_detector(foreign_device()).detect(&picture), own);
}

#[test]
fn more_maps_than_one_buffer_holds_are_an_error_and_spoil_nothing() {
    let gpu = foreign_device();
    let config = ModelConfig::of(RESNET50);
    let detector = Detector::builder(weights::seeded(&config, 1))
        .gpu(gpu.clone())
        .maps([MapKind::Features, MapKind::Pyramid])
        .build()
        .expect("seeded weights fit");
    let told = detector.maps(&picture(1600, 992)).err();
    // C2…C5 and P2…P5.
    let values: usize = [(256, 4), (512, 8), (1024, 16), (2048, 32)]
        .map(|(channels, stride)| (channels + 256) * (1600 / stride) * (992 / stride))
        .iter()
        .sum();
    let limit = wgpu::Limits::default().max_buffer_size;
    let Some(DetectError::MapsTooLarge {
        needed, allowed, ..
    }) = told
    else {
        panic!("{told:?}");
    };
    assert_eq!(allowed, limit);
    assert!(
        needed >= 4 * values && needed < 4 * values + 4096,
        "{needed}"
    );
    assert_eq!(gpu.fault(), None);
    assert_eq!(
        detector.maps(&picture(64, 64)).map(|maps| maps.len()),
        Ok(8)
    );
}

#[test]
fn errors_of_a_device_that_is_shared_are_told_to_whom_they_are_of() {
    let host = Host::new(&wgpu::DeviceDescriptor::default());
    let gpu = host.share().expect("default limits are enough");
    host.blunder();
    assert_eq!(host.told(), [1, 0]);
    let detector = face_detector(gpu.clone());
    let picture = picture(160, 120);
    assert!(detector.detect(&picture).is_ok());
    host.blunder();
    assert!(detector.detect(&picture).is_ok());
    assert_eq!((host.told(), gpu.fault()), ([2, 0], None));

    // An error of ours: a binding that is missing.
    let shape = UpsampleShape {
        items: 1,
        fine: [4, 4],
        coarse: [2, 2],
        channels: 4,
        slope: 1.0,
    };
    let case = upsample_add::case(Upsampling::Nearest, shape, &mut Random::new(1));
    let too_few = &case.bindings[..2];
    assert!(probe(&gpu, &case.dispatch, too_few).is_err());
    assert!(matches!(gpu.fault(), Some(GpuError::Fault(_))));
    assert_eq!(host.told(), [2, 0]);
    let told = detector.detect(&picture);
    assert!(matches!(told, Err(DetectError::Gpu(GpuError::Fault(_)))));
}

#[test]
fn a_lost_device_that_is_shared_is_an_error() {
    let host = Host::new(&wgpu::DeviceDescriptor::default());
    let gpu = host.share().expect("default limits are enough");
    let detector = face_detector(gpu.clone());
    let picture = picture(160, 120);
    assert!(detector.detect(&picture).is_ok());
    host.device.destroy();
    for _ in 0..2 {
        let told = detector.detect(&picture);
        let is_lost = matches!(told, Err(DetectError::Gpu(GpuError::Lost(_))));
        assert!(is_lost, "{told:?}");
    }
    assert!(matches!(gpu.fault(), Some(GpuError::Lost(_))));
    host.device.poll(wgpu::PollType::Poll).ok();
    assert_eq!(host.told(), [0, 1]);

    // Nor can one be built there.
    let gpu = host.share().expect("its limits are as they were");
    let config = ModelConfig::of(MOBILENET025);
    let built = Detector::builder(weights::seeded(&config, 1))
        .gpu(gpu)
        .build();
    let told = built.err();
    let is_lost = matches!(told, Some(BuildError::Gpu(GpuError::Lost(_))));
    assert!(is_lost, "{told:?}");
    assert_eq!(host.told(), [0, 1]);
}

#[test]
fn a_device_below_the_default_limits_is_not_shared() {
    let host = Host::new(&wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits {
            max_storage_buffers_per_shader_stage: 4,
            ..wgpu::Limits::default()
        },
        ..wgpu::DeviceDescriptor::default()
    });
    let expected = GpuError::Limit {
        adapter: host.info.name.clone(),
        limit: "max_storage_buffers_per_shader_stage".to_owned(),
        needed: 8,
        found: 4,
    };
    assert_eq!(host.share().err(), Some(expected));
    // Textures are not used.
    let host = Host::new(&wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits {
            max_texture_dimension_2d: 2048,
            ..wgpu::Limits::default()
        },
        ..wgpu::DeviceDescriptor::default()
    });
    assert!(host.share().is_ok());
}

#[test]
fn a_profile_has_a_time_for_each_step_where_the_device_has_timestamps() {
    let picture = weights::picture(1, 160, 120);
    for gpu in [open_gpu(), foreign_device()] {
        let detector = face_detector(gpu.clone());
        let found = detector.start(&picture).expect("sent").wait();
        let engine = detector.gpu_engine().expect("it runs on a GPU");
        let profile = engine.profile(&picture, 3).expect("computed");
        let steps = profile.plan.steps.len();
        assert_eq!(profile.step_bytes.len(), steps);
        assert_eq!(profile.step_seconds.is_some(), gpu.has_timestamps());
        if let Some(seconds) = profile.step_seconds {
            assert_eq!(seconds.len(), steps);
            assert!(seconds.iter().all(|seconds| (0.0..60.0).contains(seconds)));
            assert!(seconds.iter().sum::<f64>() > 0.0);
        }
        // What it leaves behind does not change what follows.
        assert_eq!(detector.start(&picture).expect("sent").wait(), found);
    }
}

/// What an earlier run kept spares the driver work; anything else is left aside.
#[test]
fn kept_pipelines_are_loaded_and_others_left_aside() {
    let picture = picture(160, 120);
    let gpu = open_gpu();
    let found = face_detector(gpu.clone()).detect(&picture);
    assert!(found.is_ok());
    let adapter = pollster::block_on(adapters::best()).expect("it was there before");
    // Whether the driver compiles anything anew, and finds the same, when it is given these.
    let compiles = |name: &str, is_shared: bool, pipelines: &[u8]| {
        let gpu = match is_shared {
            false => pollster::block_on(Gpu::open_with(&adapter, Some(pipelines))),
            true => {
                let Host {
                    device,
                    queue,
                    info,
                    ..
                } = Host::new(&wgpu::DeviceDescriptor {
                    required_features: gpu.device().features(),
                    required_limits: gpu.device().limits(),
                    ..wgpu::DeviceDescriptor::default()
                });
                Gpu::from_device_with(device, queue, info, Some(pipelines))
            }
        };
        let gpu = gpu.expect("the adapter is sound");
        assert_eq!(face_detector(gpu.clone()).detect(&picture), found, "{name}");
        assert_eq!(gpu.fault(), None, "{name}");
        gpu.pipelines().is_some()
    };
    let kept = gpu.pipelines();
    let is_kept = kept.is_some();
    for (name, is_shared, pipelines) in [
        ("nothing", false, Vec::new()),
        ("a text", true, b"no pipelines at all".repeat(100)),
    ] {
        assert_eq!(compiles(name, is_shared, &pipelines), is_kept, "{name}");
    }
    let Some(kept) = kept else {
        let name = &gpu.info().name;
        eprintln!("not run: loading of pipelines that were kept ({name} keeps none)");
        return;
    };
    assert!(!compiles("kept", false, &kept));
    assert!(!compiles("kept", true, &kept));
    let altered = |index: usize| {
        let mut altered = kept.clone();
        altered[index] ^= 1;
        altered
    };
    for (name, pipelines) in [
        ("their first half", kept[..kept.len() / 2].to_owned()),
        ("more than them", [&kept[..], &[0]].concat()),
        ("a bit of wgpu's header", altered(20)),
        ("a bit of the driver's data", altered(kept.len() / 2)),
        ("the last bit", altered(kept.len() - 1)),
    ] {
        assert!(compiles(name, false, &pipelines), "{name}");
    }
}

#[test]
fn a_picture_too_large_for_the_device_says_what_fits() {
    let config = ModelConfig {
        classes: 2,
        ..ModelConfig::of(RESNET18_FPN)
    };
    let checkpoint = weights::seeded(&config, 1);
    let builder = Detector::builder(checkpoint).gpu(foreign_device());
    let detector = builder
        .min_size(1600)
        .max_size(1600)
        .build()
        .expect("seeded weights fit");
    let error = detector
        .detect(&picture(64, 64))
        .expect_err("it does not fit");
    let DetectError::DoesNotFit {
        needed,
        allowed,
        largest,
        ..
    } = error
    else {
        panic!("{error}")
    };
    let sentence = format!("the largest max_size that fits is {largest}");
    assert!(error.to_string().ends_with(&sentence), "{error}");
    // The first convolution's 64 channels at half the size.
    assert_eq!((needed, allowed), (800 * 800 * 64 * 4, 128 << 20));
    let first_map = |side: usize| side.next_multiple_of(32).pow(2) / 4 * 64 * 4;
    assert!(
        first_map(largest) <= allowed && first_map(largest + 1) > allowed,
        "{largest}"
    );
}

/// Seeded weights of a detector of faces, but for one tensor, all of whose values are the same.
fn altered(tensor: &str, value: f32) -> Checkpoint {
    let config = ModelConfig::of(MOBILENET025);
    let file = weights::seeded(&config, 1)
        .to_safetensors(false)
        .expect("seeded weights are written");
    let file = SafeTensors::deserialize(&file).expect("a safetensors file");
    let count = file.tensor(tensor).expect("it is there").data().len() / 4;
    let values = value.to_le_bytes().repeat(count);
    let views = file.iter().map(|(key, view)| {
        let data = if key == tensor { &values } else { view.data() };
        let view = TensorView::new(view.dtype(), view.shape().to_vec(), data);
        (key.to_owned(), view.expect("the shape is kept"))
    });
    let bytes = safetensors::serialize(views, None).expect("the tensors are whole");
    Checkpoint::from_safetensors(bytes).expect("a safetensors file")
}

/// Infinite activations, and NaN: what a wrong eps makes of a variance of 0. They may begin in a head.
#[test]
fn activations_that_are_not_finite_are_reported_by_both_engines() {
    let cases = [
        ("body.stage1.0.1.weight", 3e38),
        ("body.stage1.0.1.running_var", 0.0),
        ("ClassHead.0.conv1x1.weight", 3e38),
        ("BboxHead.2.conv1x1.weight", 3e38),
        ("LandmarkHead.1.conv1x1.weight", -3e38),
    ];
    for (tensor, value) in cases {
        for gpu in [None, Some(gpu())] {
            let builder = Detector::builder(altered(tensor, value))
                .architecture(MOBILENET025)
                .bn_eps(0.0);
            let detector = builder.gpu(gpu).build().expect("finite weights are loaded");
            let found = detector.detect(&picture(64, 64));
            assert_eq!(found, Err(DetectError::NotFinite), "{tensor}");
        }
    }
}

/// Landmarks far away, but finite. All of a level's together are not.
#[test]
fn sums_of_finite_activations_may_overflow() {
    let [cpu, gpu] = [None, Some(gpu())].map(|gpu| {
        let altered = altered("LandmarkHead.0.conv1x1.bias", 1e36);
        let builder = Detector::builder(altered).architecture(MOBILENET025);
        let detector = builder.gpu(gpu).build().expect("finite weights are loaded");
        detector.detect(&picture(64, 64)).expect("all is finite")
    });
    let far = |detection: &Detection| {
        let mut landmarks = detection.landmarks.iter().flatten();
        landmarks.any(|[x, _]| *x > 1e35)
    };
    assert!(cpu.items.iter().any(far));
    assert_eq!(cpu.items.len(), gpu.items.len());
}

#[test]
fn a_picture_too_large_to_bind_does_not_spoil_the_next() {
    let config = ModelConfig::of(MOBILENET025);
    let builder = Detector::builder(weights::seeded(&config, 1)).gpu(foreign_device());
    let detector = builder.max_size(160).build().expect("seeded weights fit");
    let large = DynamicImage::new_rgba8(8192, 4097);
    let error = detector.detect(&large).expect_err("it cannot be bound");
    assert!(
        matches!(error, DetectError::PictureTooLarge { .. }),
        "{error}"
    );
    assert!(detector.detect(&picture(160, 120)).is_ok());
}

#[test]
fn a_convolution_that_cannot_be_dispatched_is_not_measured() {
    let size = ConvSize {
        in_channels: 3,
        out_channels: 8,
        kernel: [3, 3],
        stride: [2, 2],
        out_size: [8192, 8192],
    };
    let error = tune(&gpu(), &[size], || ()).expect_err("it is too large");
    assert!(matches!(error, TuneError::Schedule(_)), "{error}");
}

#[test]
fn an_unknown_adapter_lists_the_known() {
    let error = pollster::block_on(adapters::by_name("voodoo")).expect_err("there is none");
    let GpuError::UnknownAdapter { known, .. } = &error else {
        panic!("{error}")
    };
    assert!(!known.is_empty());
    assert!(error.to_string().contains(&known[0]), "{error}");
}

/// Every map and the proposals, of both engines, in one submission and one read-back.
#[test]
fn all_outputs_of_a_frame_are_those_of_the_cpu_engine() {
    let config = ModelConfig {
        classes: 5,
        ..ModelConfig::of(RESNET18_FPN)
    };
    let checkpoint = weights::seeded(&config, 1);
    let picture: DynamicImage = weights::picture(1, 96, 64).into();
    let gpu = open_gpu();
    let [own, expected] = [Some(gpu.clone()), None].map(|gpu| {
        let every = [MapKind::Input, MapKind::Features, MapKind::Heads];
        let builder = Detector::builder(checkpoint.clone()).gpu(gpu).maps(every);
        builder.min_size(64).build().expect("seeded weights fit")
    });
    let (found, maps) = own.detect_with_maps(&picture).expect("computed");
    let (made, sent) = (gpu.counters().made(), gpu.counters().sent());
    assert_eq!(own.detect_with_maps(&picture), Ok((found, maps.clone())));
    assert_eq!(gpu.counters().made(), made);
    assert_eq!(gpu.counters().sent(), sent.map(|count| count + 1));

    let (_, expected) = expected.detect_with_maps(&picture).expect("computed");
    let names =
        |maps: &[FeatureMap]| -> Vec<MapInfo> { maps.iter().map(|map| map.info.clone()).collect() };
    assert_eq!(names(&maps), names(&expected));
    // The input, C2…C5, P2…P6, two maps of each.
    assert_eq!(maps.len(), 1 + 4 + 5 + 10);
    for (found, expected) in maps.iter().zip(&expected) {
        assert_eq!(found.shape, expected.shape);
        let name = &expected.info.name;
        let values = expected.values.iter();
        let largest = values.fold(0.0_f32, |most, x| most.max(x.abs()));
        for (a, b) in found.values.iter().zip(&expected.values) {
            assert!((a - b).abs() <= 1e-5 * largest, "{name}: {a} and {b}");
        }
    }
}
