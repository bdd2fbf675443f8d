//! Checkpoints that their publisher's hash tells apart.

use super::Metadata;
use crate::models::Architecture;
use crate::models::faster_rcnn::RESNET50_FPN;

/// A file of torchvision's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Official {
    /// First eight hexadecimal digits of the file's SHA-256; they stand in its name.
    pub sha256_prefix: &'static str,
    /// As torchvision names it.
    pub file_name: &'static str,
    /// The model it belongs to.
    pub architecture: Architecture,
}

/// The files known.
pub const OFFICIAL: [Official; 1] = [Official {
    sha256_prefix: "258fb6c6",
    file_name: "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
    architecture: RESNET50_FPN,
}];

/// The known file with this SHA-256, in hexadecimal digits.
pub fn by_sha256(sha256: &str) -> Option<Official> {
    OFFICIAL
        .into_iter()
        .find(|official| sha256.starts_with(official.sha256_prefix))
}

impl Official {
    /// What is known of it. torchvision sets `eps` of its COCO models' batch norms to 0
    /// (`overwrite_eps`).
    pub fn metadata(self) -> Metadata {
        Metadata {
            architecture: Some(self.architecture),
            class_names: Some(COCO_NAMES.map(str::to_owned).into()),
            bn_eps: Some(0.0),
            training: None,
        }
    }
}

/// COCO's category names by id; "N/A" where the data set has none.
pub const COCO_NAMES: [&str; 91] = [
    "background",
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "N/A",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "N/A",
    "backpack",
    "umbrella",
    "N/A",
    "N/A",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "N/A",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "N/A",
    "dining table",
    "N/A",
    "N/A",
    "toilet",
    "N/A",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "N/A",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_file_is_known_by_its_hash() {
        let hash = "258fb6c638f9d48d3a1d4c3d4bd9c5d4d8c1e2a5f6b7089a1b2c3d4e5f60718";
        let metadata = by_sha256(hash).unwrap().metadata();
        assert_eq!(metadata.bn_eps, Some(0.0));
        assert_eq!(metadata.class_names.unwrap()[90], "toothbrush");
        assert_eq!(by_sha256("358fb6c6"), None);
    }
}
