// The desk of composites: sentences become scenes of patches of photos.

import { beforeAfter } from "../scenes/before_after.js";
import { openDesk } from "../scenes/desk.js";
import { patches } from "../scenes/patches.js";
import { sources } from "../scenes/sources.js";

const TEXTS = [
  "The boy is near the tree.",
  "The boy is kicking the ball.",
  "The plane is over the tent.",
  "An owl is near the apple tree.",
  "The girl is holding a kite under the sun.",
];

const LEAD =
  "Type a sentence: the model pastes it together from patches of photos, one by one, and below are the words that it attended to and where each patch comes from. Drag, change, remove or add patches, and let it go on from there.";

export const open = (section, room) =>
  openDesk(section, room, LEAD, patches, TEXTS, (desk) => [
    ...(room.others.inpainter.length ? [beforeAfter(desk)] : []),
    sources(),
  ]);
