// Photos from the visitor's disk: small enough for the server, upright, and as safe as the browser makes them.

const LONGEST_SIDE = 640; // pixels; models see less
const MOST_FILE = 50e6; // bytes
const MOST_SENT = 180 * 1024;

/** The photo in a file as base64 text of a JPEG file. Throws an Error that says what is wrong. */
export async function read(file) {
  if (file.size > MOST_FILE) throw new Error(`${Math.round(file.size / 1e6)} MB: photos of at most ${MOST_FILE / 1e6} MB are read.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file); // heeds the orientation that cameras note
  } catch {
    throw new Error("This is not a photo that your browser can read. Try a JPEG, PNG or WebP file.");
  }
  try {
    for (const [side, quality] of [[LONGEST_SIDE, 0.9], [LONGEST_SIDE, 0.75], [320, 0.75]]) {
      const content = await shrunk(bitmap, side, quality);
      if (content.size <= MOST_SENT) return base64(content);
    }
  } finally {
    bitmap.close();
  }
  throw new Error("This photo stays too large, however small it is made.");
}

function shrunk(bitmap, side, quality) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // under transparent parts
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1]);
    reader.onerror = () => reject(new Error("This file cannot be read."));
    reader.readAsDataURL(blob);
  });
}
