// The layout desk: sentences become labelled boxes.

import { boxes } from "../scenes/boxes.js";
import { openDesk } from "../scenes/desk.js";

const TEXTS = [
  "The boy is holding a kite.",
  "A cat is under the tree.",
  "The girl is next to the slide.",
  "The boy is holding a hot dog next to the grill.",
  "A dog is next to the tent.",
];

const LEAD =
  "Type a sentence: the model lays out a photo of it as labelled boxes, one by one, and below them are the words that it attended to. Drag, change, remove or add boxes, and let it go on from there.";

export const open = (section, room) => openDesk(section, room, LEAD, boxes, TEXTS);
