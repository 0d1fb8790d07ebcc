//! Calls to begin with, below the help of each command.

pub(super) const TRAIN: &str = "\
Examples:
  fastweights train                                          the default recipe, sinusoids, into runs/sinusoid-1
  fastweights train omniglot-5way-1shot --seed 1             after `fastweights data fetch omniglot`
  fastweights train table --train rows.csv --label species   a file of your own; --target PRICE predicts numbers
  fastweights train series --csv sales.csv --validate-every 200 --patience 1000
  fastweights train --resume runs/sinusoid-1                 goes on where a run was stopped, to the same bytes
Ctrl-C saves and says how to go on.";

pub(super) const EVAL: &str = "\
Examples:
  fastweights eval runs/sinusoid-1 --points 10 --steps 5
  fastweights eval runs/table-1 --rows more.csv --json -";

pub(super) const REPORT: &str = "\
Example:
  fastweights report runs/sinusoid-1 runs/sinusoid-anil-1 --out page.html";

pub(super) const ADAPT: &str = "\
Examples:
  fastweights adapt runs/omniglot-5way-1shot-1 --support signs --hold-out 0.2 --out signs.safetensors
                                              signs/cat/1.png, signs/cat/2.png, signs/dog/1.png …
  fastweights adapt runs/table-1 --support rows.csv --query more.csv --out mine.safetensors
  fastweights adapt runs/series-1 --support sales.csv --series \"store 7\" --points 50 --out store.safetensors
  fastweights adapt runs/sinusoid-1 --support points.csv --steps 3 --out sine.safetensors     columns x and y
  fastweights adapt runs/field-1 --support picture.png --out field.safetensors
Then: fastweights predict FILE --input INPUT, fastweights export FILE --format onnx";

pub(super) const PREDICT: &str = "\
Examples:
  fastweights predict signs.safetensors --input picture.png         class and probabilities of one picture
  fastweights predict signs.safetensors --input folder --out answers.csv
  fastweights predict runs/table-1 --input rows.csv
  fastweights predict runs/series-1 --input sales.csv --ahead 14";

pub(super) const EXPORT: &str = "\
Examples:
  fastweights export signs.safetensors --format onnx                signs.onnx, from pixels to probabilities
  fastweights export runs/sinusoid-1 --out weights.npz";

pub(super) const SAMPLE: &str = "\
Examples:
  fastweights sample runs/field-1 --task 0 --size 1024 --out field.png
  fastweights sample field.safetensors --csv places.csv --out values.csv";
