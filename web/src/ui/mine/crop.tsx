// Cutting a square out of a picture, by mouse, finger or keys. What must not live here: where it is sent.
import { useEffect, useRef, useState } from 'preact/hooks';
import { mine } from '../../i18n/mine';
import { Confirm } from '../admin/parts';
import { type Place, within } from './plain';

/** What is shown is twice as fine as the largest place where it is shown. */
const SHOWN = 320;
const SENT = 512;
const STEP = 12;
const QUALITY = 0.88;

/** A picture that the browser can read, turned as its camera said. */
export async function readPicture(file: File): Promise<HTMLImageElement> {
  const address = URL.createObjectURL(file);
  const image = new Image();
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error('no picture'));
      image.src = address;
    });
  } finally {
    // The picture is decoded by now, or never.
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }
  return image;
}

function draw(canvas: HTMLCanvasElement, image: HTMLImageElement, place: Place): void {
  const brush = canvas.getContext('2d');
  if (!brush) return;
  const { width: side } = canvas;
  const scale = (side / Math.min(image.naturalWidth, image.naturalHeight)) * place.zoom;
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  // A see-through picture stands on white.
  brush.fillStyle = '#fff';
  brush.fillRect(0, 0, side, side);
  brush.imageSmoothingQuality = 'high';
  brush.drawImage(image, side / 2 + place.x * side - width / 2, side / 2 + place.y * side - height / 2, width, height);
}

async function cut(image: HTMLImageElement, place: Place): Promise<Blob> {
  const canvas = document.createElement('canvas');
  canvas.width = SENT;
  canvas.height = SENT;
  draw(canvas, image, place);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', QUALITY));
  if (!blob) throw new Error('no picture');
  return blob;
}

export function Crop({ image, use, close }: { image: HTMLImageElement; use: (picture: Blob) => Promise<void>; close: () => void }) {
  const [place, setPlace] = useState<Place>({ x: 0, y: 0, zoom: 1 });
  const canvas = useRef<HTMLCanvasElement>(null);
  const from = useRef<{ x: number; y: number } | undefined>(undefined);
  useEffect(() => {
    if (canvas.current) draw(canvas.current, image, place);
  }, [image, place]);
  const move = (x: number, y: number, zoom = place.zoom) => setPlace(within({ x: place.x + x, y: place.y + y, zoom }, image.naturalWidth, image.naturalHeight));
  const drag = (event: PointerEvent) => {
    if (!from.current || !canvas.current) return;
    const side = canvas.current.clientWidth;
    move((event.clientX - from.current.x) / side, (event.clientY - from.current.y) / side);
    from.current = { x: event.clientX, y: event.clientY };
  };
  const key = (event: KeyboardEvent) => {
    const ways: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    move((way[0] * STEP) / SHOWN, (way[1] * STEP) / SHOWN);
  };
  const { cropTitle, cropHint, zoom, usePicture } = mine.value;
  return (
    <Confirm title={cropTitle} lead={<p class="hint">{cropHint}</p>} act={usePicture} go={async () => use(await cut(image, place))} close={close}>
      <div class="crop">
        <canvas
          ref={canvas}
          width={SHOWN}
          height={SHOWN}
          tabIndex={0}
          role="img"
          aria-label={cropHint}
          onKeyDown={key}
          onPointerDown={(event) => {
            from.current = { x: event.clientX, y: event.clientY };
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={drag}
          onPointerUp={() => {
            from.current = undefined;
          }}
        />
        <input type="range" aria-label={zoom} min="1" max="4" step="0.05" value={place.zoom} onInput={(event) => move(0, 0, Number(event.currentTarget.value))} />
      </div>
    </Confirm>
  );
}
