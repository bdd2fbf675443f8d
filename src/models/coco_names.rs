//! What torchvision's published detectors call what they find.

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

/// The same without ids that have no category: a model that counts categories knows them by these.
pub const COCO_CLASSES: [&str; 81] = {
    let mut names = ["background"; 81];
    let (mut id, mut class) = (0, 0);
    while id < COCO_NAMES.len() {
        if !matches!(COCO_NAMES[id].as_bytes(), b"N/A") {
            names[class] = COCO_NAMES[id];
            class += 1;
        }
        id += 1;
    }
    names
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_categories_are_left() {
        assert_eq!(COCO_CLASSES[12], "stop sign");
        assert_eq!(COCO_CLASSES[80], "toothbrush");
        assert!(!COCO_CLASSES.contains(&"N/A"));
    }
}
