"use strict";
(() => {
  const place = document.getElementById("turn");
  const data = JSON.parse(document.getElementById("turn-data").textContent);
  const STOPS = [[48, 37, 104], [116, 42, 122], [186, 54, 107], [236, 98, 77], [252, 165, 73], [253, 236, 160]];
  const colour = (part) => {
    const at = part * (STOPS.length - 1), i = Math.min(Math.floor(at), STOPS.length - 2), f = at - i;
    return STOPS[i].map((c, k) => Math.round(c + f * (STOPS[i + 1][k] - c)));
  };
  const PAINT = Array.from({ length: 256 }, (_, k) => {
    const [r, g, b] = colour(k / 255);
    return `rgba(${r},${g},${b},${(0.28 + 0.67 * k / 255).toFixed(3)})`;
  });
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const depths = data.layers.map((l) => l.z);
  const near = Math.min(...depths), far = Math.max(...depths), middle = (near + far) / 2;
  const reach = Math.max(...data.layers.map((l) => Math.max(...(l.r || [...l.x, ...l.y]).map(Math.abs))));
  const size = Math.hypot((far - near) / 2 || reach, reach);
  const starts = [0];
  data.layers.forEach((l) => starts.push(starts[starts.length - 1] + l.n));

  const corners = (layer, cell) => {
    if (layer.r) {
      const rings = layer.r.length - 1, sector = Math.floor(cell / rings), ring = cell % rings;
      const from = -Math.PI + sector * 2 * Math.PI / layer.a, step = 2 * Math.PI / layer.a;
      const parts = Math.max(1, Math.ceil(step / 0.4)), inner = layer.r[ring], outer = layer.r[ring + 1], points = [];
      for (let k = 0; k <= parts; k++) points.push([outer * Math.cos(from + step * k / parts), outer * Math.sin(from + step * k / parts)]);
      if (inner > 0) for (let k = parts; k >= 0; k--) points.push([inner * Math.cos(from + step * k / parts), inner * Math.sin(from + step * k / parts)]);
      else if (layer.a > 1) points.push([0, 0]);
      return points;
    }
    const rows = layer.y.length - 1, i = Math.floor(cell / rows), j = cell % rows;
    return [[layer.x[i], layer.y[j]], [layer.x[i + 1], layer.y[j]], [layer.x[i + 1], layer.y[j + 1]], [layer.x[i], layer.y[j + 1]]];
  };
  const outline = (layer) => {
    if (layer.r) {
      const r = layer.r[layer.r.length - 1];
      return Array.from({ length: 49 }, (_, k) => [r * Math.cos(k * Math.PI / 24), r * Math.sin(k * Math.PI / 24)]);
    }
    const x = [layer.x[0], layer.x[layer.x.length - 1]], y = [layer.y[0], layer.y[layer.y.length - 1]];
    return [[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]], [x[0], y[0]]];
  };
  const cells = (shower) => {
    if (shower.cells) return shower.cells;
    const raw = bytes(shower.voxels), levels = bytes(shower.levels);
    const voxels = data.wide ? new Uint32Array(raw.buffer) : new Uint16Array(raw.buffer);
    let layer = 0;
    shower.cells = Array.from(voxels, (voxel, k) => {
      while (voxel >= starts[layer + 1]) layer++;
      const points = corners(data.layers[layer], voxel - starts[layer]);
      const x = points.reduce((s, p) => s + p[0], 0) / points.length, y = points.reduce((s, p) => s + p[1], 0) / points.length;
      return { points, x, y, z: data.layers[layer].z, level: levels[k] };
    });
    return shower.cells;
  };

  const view = { yaw: -0.65, pitch: 0.35, zoom: 1 }, panes = [];
  let waiting = false;
  const rotate = (x, y, z) => {
    const d = z - middle, cy = Math.cos(view.yaw), sy = Math.sin(view.yaw), cp = Math.cos(view.pitch), sp = Math.sin(view.pitch);
    const across = cy * d + sy * x, back = -sy * d + cy * x;
    return [across, cp * y - sp * back, sp * y + cp * back];
  };
  const draw = (pane) => {
    const canvas = pane.canvas, ratio = Math.min(devicePixelRatio || 1, 2), width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    const context = canvas.getContext("2d"), unit = 0.46 * Math.min(width / 1.05, height) / size * view.zoom;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const project = (x, y, z) => {
      const [a, b, c] = rotate(x, y, z), p = 3.2 * size / (3.2 * size - c);
      return [width / 2 + unit * p * a, height / 2 - unit * p * b];
    };
    const trace = (points, z) => {
      context.beginPath();
      points.forEach((point, k) => { const [a, b] = project(point[0], point[1], z); if (k) context.lineTo(a, b); else context.moveTo(a, b); });
    };
    context.lineWidth = 1;
    context.strokeStyle = "rgba(150,170,205,.3)";
    const shown = data.layers.length > 8 ? [0, Math.floor(data.layers.length / 2), data.layers.length - 1] : data.layers.keys();
    for (const k of shown) { trace(outline(data.layers[k]), data.layers[k].z); context.stroke(); }
    context.strokeStyle = "rgba(150,170,205,.55)";
    context.setLineDash([4, 4]);
    context.beginPath();
    context.moveTo(...project(0, 0, near - 0.18 * size));
    context.lineTo(...project(0, 0, far + 0.1 * size));
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = "rgba(200,212,235,.85)";
    context.font = "12px system-ui, sans-serif";
    context.fillText("in", ...project(0, 0, near - 0.27 * size));
    const list = cells(pane.shower()).map((cell) => [rotate(cell.x, cell.y, cell.z)[2], cell]);
    list.sort((a, b) => a[0] - b[0]);
    for (const [, cell] of list) { context.fillStyle = PAINT[cell.level]; trace(cell.points, cell.z); context.fill(); }
  };
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; panes.forEach(draw); });
  };
  const turn = (yaw, pitch) => {
    view.yaw += yaw;
    view.pitch = Math.max(-1.55, Math.min(1.55, view.pitch + pitch));
    redraw();
  };
  const zoom = (factor) => { view.zoom = Math.max(0.4, Math.min(8, view.zoom * factor)); redraw(); };
  const reset = () => { Object.assign(view, { yaw: -0.65, pitch: 0.35, zoom: 1 }); redraw(); };

  const make = (tag, settings = {}, ...inside) => { const made = Object.assign(document.createElement(tag), settings); made.append(...inside); return made; };
  const bar = make("div", { className: "turn-bar" }), pair = make("div", { className: "turn-pair" });
  let number = 0;
  const most = Math.max(...data.samples.map((s) => s.showers.length));
  const energy = (mev) => mev === 0 ? "0 MeV" : mev >= 1e6 ? `${(mev / 1e6).toPrecision(3)} TeV` : mev >= 1e3 ? `${(mev / 1e3).toPrecision(3)} GeV` : `${mev.toPrecision(3)} MeV`;
  const tell = () => {
    panes.forEach((pane) => {
      const s = pane.shower(), name = data.samples[pane.sample].name;
      const left = s.shown < s.hits ? `, the brightest ${s.shown} drawn` : "";
      pane.caption.textContent = `${name}, ${energy(s.energy)}: ${energy(s.total)} in ${s.hits} voxels${left}`;
      pane.canvas.setAttribute("aria-label", `Shower in three dimensions. ${pane.caption.textContent}. Arrow keys turn, plus and minus zoom.`);
    });
    redraw();
  };
  const choose = (text, options, chosen, then) => {
    const select = make("select", {}, ...options.map((name, k) => make("option", { value: k, textContent: name, selected: k === chosen })));
    select.addEventListener("change", () => then(Number(select.value)));
    bar.append(make("label", {}, text, select));
  };
  choose("shower", Array.from({ length: most }, (_, k) => String(k + 1)), 0, (k) => { number = k; tell(); });
  const sides = data.samples.length > 1 ? [0, 1] : [0];
  for (const first of sides) {
    const canvas = make("canvas", { tabIndex: 0 }), caption = make("figcaption");
    canvas.setAttribute("role", "img");
    const pane = { canvas, caption, sample: first };
    // The first pane shows the chosen shower, the second its own that is nearest in energy.
    pane.shower = () => {
      const list = data.samples[pane.sample].showers;
      if (pane === panes[0] || pane.sample === panes[0].sample) return list[Math.min(number, list.length - 1)];
      const away = (s) => Math.abs(Math.log(s.energy / panes[0].shower().energy));
      return list.reduce((best, s) => (away(s) < away(best) ? s : best));
    };
    panes.push(pane);
    pair.append(make("figure", {}, canvas, caption));
    if (data.samples.length > 1) choose(first ? "right" : "left", data.samples.map((s) => s.name), first, (k) => { pane.sample = k; tell(); });
    const held = new Map();
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); held.set(event.pointerId, [event.clientX, event.clientY]); });
    canvas.addEventListener("pointermove", (event) => {
      const last = held.get(event.pointerId);
      if (!last) return;
      const now = [event.clientX, event.clientY];
      if (held.size === 1) turn((now[0] - last[0]) * 0.01, (now[1] - last[1]) * 0.01);
      else {
        const other = [...held].find(([id]) => id !== event.pointerId)[1];
        const before = Math.hypot(last[0] - other[0], last[1] - other[1]), after = Math.hypot(now[0] - other[0], now[1] - other[1]);
        if (before > 5) zoom(after / before);
      }
      held.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => held.delete(event.pointerId));
    canvas.addEventListener("keydown", (event) => {
      const act = { ArrowLeft: () => turn(-0.12, 0), ArrowRight: () => turn(0.12, 0), ArrowUp: () => turn(0, -0.12), ArrowDown: () => turn(0, 0.12), "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2), Home: reset }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
  }
  for (const [text, name, act] of [["+", "Zoom in", () => zoom(1.25)], ["−", "Zoom out", () => zoom(0.8)], ["Reset", "Reset the view", reset]]) {
    const made = make("button", { type: "button", textContent: text });
    made.setAttribute("aria-label", name);
    made.addEventListener("click", act);
    bar.append(made);
  }
  const strip = make("i");
  strip.style.background = `linear-gradient(90deg,${STOPS.map((c) => `rgb(${c})`).join(",")})`;
  const scale = make("div", { className: "turn-scale" }, energy(data.low), strip, `${energy(data.high)} a voxel (log)`);
  place.append(bar, pair, scale);
  new ResizeObserver(redraw).observe(pair);
  tell();
})();
