/** A picture that a person gave: its bytes, its name, and what the browser can show of it. */

const LONGEST = 2560; // pixels on screen: enough for a large display, whatever the camera made
const THUMB = { width: 144, height: 108 };

export class Picture {
  /** What is shown; null until it is read, or where the browser cannot read the format. */
  image: ImageBitmap | null = null;
  private reading: Promise<boolean> | null = null;

  constructor(
    readonly file: Blob,
    readonly name: string,
  ) {}

  /** Read the picture upright, once; false where this browser does not know its format. */
  read(): Promise<boolean> {
    this.reading ??= this.readOnce();
    return this.reading;
  }

  private async readOnce(): Promise<boolean> {
    try {
      const whole = await createImageBitmap(this.file);
      this.image = await shrunk(whole);
      return true;
    } catch {
      return false;
    }
  }

  get stem(): string {
    return this.name.replace(/\.[^.]*$/, "") || "picture";
  }
}

async function shrunk(whole: ImageBitmap): Promise<ImageBitmap> {
  const scale = LONGEST / Math.max(whole.width, whole.height);
  if (scale >= 1) return whole;
  const size = { resizeWidth: Math.round(whole.width * scale), resizeHeight: Math.round(whole.height * scale) };
  return createImageBitmap(whole, { ...size, resizeQuality: "high" });
}

/** Draw a picture into a small canvas, its middle where the shapes differ. */
export function drawThumb(canvas: HTMLCanvasElement, image: CanvasImageSource & { width: number; height: number }): void {
  Object.assign(canvas, THUMB);
  const scale = Math.max(THUMB.width / image.width, THUMB.height / image.height);
  const width = THUMB.width / scale;
  const height = THUMB.height / scale;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (image.width - width) / 2, (image.height - height) / 2, width, height, 0, 0, THUMB.width, THUMB.height);
}

/** Return the pictures among what was dropped, pasted or chosen. */
export function picturesIn(data: DataTransfer | null): Picture[] {
  const files = [...(data?.files ?? [])];
  return files.filter((file) => !isModel(file.name)).map((file) => new Picture(file, file.name || "pasted.png"));
}

export function isModel(name: string): boolean {
  return /\.(pt|pth|h5|hdf5|safetensors)$/i.test(name);
}
