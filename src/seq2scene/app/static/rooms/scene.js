// The scene desk: sentences become scenes of clip art.

import { clipArt } from "../scenes/clip_art.js";
import { openDesk } from "../scenes/desk.js";

const TEXTS = [
  "Mike holds a hotdog.",
  "Mike is happy and holds a hotdog. Jenny is kicking the ball. An owl is in the tree.",
  "Mike wears a wizard hat and Jenny wears a crown.",
  "Jenny is crying because the bear is near.",
  "A rocket flies over the tent.",
];

const LEAD =
  "Type one to three sentences: the model draws them object by object, and below the picture are the words that it attended to. Drag, change, remove or add objects, and let it go on from there.";

export const open = (section, room) => openDesk(section, room, LEAD, clipArt, TEXTS);
