// The scene desk: sentences become scenes of clip art.

import { clipArt } from "../scenes/clip_art.js";
import { openDesk } from "../scenes/desk.js";

const TEXTS = [
  "Mike holds a hotdog.",
  "Mike is happy and holds a hotdog. Jenny is kicking the ball. A dog is next to the tent.",
  "Mike wears a wizard hat and Jenny wears a crown.",
  "Jenny is crying because the bear is near.",
  "A rocket flies over the tent.",
];

export const open = (section, room) => openDesk(section, room, clipArt, TEXTS);
