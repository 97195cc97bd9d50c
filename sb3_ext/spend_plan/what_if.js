// Plans for another budget and other limits, from the best plans of each channel for a few amounts of money.
"use strict";
(() => {
  const section = document.getElementById("what-if");
  if (!section) return;
  const data = JSON.parse(document.getElementById("what-if-data").textContent);
  const channels = data.channels;
  const STEPS = 300;
  const find = name => section.querySelector(`[data-part="${name}"]`);
  const money = (amount, digits = data.digits) => (Math.abs(amount) < 0.5 * 10 ** -digits ? 0 : amount).toLocaleString(
    "en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});

  // Where a number lies among ascending ones: the place below, and the share of the way to the next.
  function locate(numbers, number) {
    let low = 0, high = numbers.length - 1;
    if (high < 1 || number <= numbers[0]) return [0, 0];
    if (number >= numbers[high]) return [high - 1, 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (numbers[middle] <= number) low = middle; else high = middle;
    }
    return [low, (number - numbers[low]) / (numbers[low + 1] - numbers[low])];
  }
  function interpolate(numbers, values, number) {
    const [low, share] = locate(numbers, number);
    return share ? values[low] + share * (values[low + 1] - values[low]) : values[low];
  }
  const worth = (channel, amount) => interpolate(channel.at, channel.value, amount);
  const spends = (channel, amount) => {
    const [low, share] = locate(channel.money, amount);
    const plan = channel.plans[low];
    return share ? plan.map((spend, period) => spend + share * (channel.plans[low + 1][period] - spend)) : plan;
  };
  const sum = numbers => numbers.reduce((total, number) => total + number, 0);

  // The best split of a budget within limits: dynamic programming over equal steps of money, then ever smaller moves
  // between channels. Also what the best split earns for every smaller budget.
  function split(budget, limits) {
    const least = sum(limits.map(limit => limit[0]));
    const spare = budget - least;
    if (spare < -1e-6 * data.budget) return null;
    const step = Math.max(spare, 0) / STEPS;
    let best = new Float64Array(STEPS + 1);
    const choices = channels.map((channel, index) => {
      const [low, high] = limits[index];
      const most = step > 0 ? Math.min(STEPS, Math.floor((high - low) / step + 1e-9)) : 0;
      const worths = Array.from({length: most + 1}, (_, taken) => worth(channel, low + taken * step));
      const reached = new Float64Array(STEPS + 1).fill(-Infinity), choice = new Int16Array(STEPS + 1);
      for (let all = 0; all <= STEPS; all++) {
        for (let taken = Math.min(most, all); taken >= 0; taken--) {
          const value = best[all - taken] + worths[taken];
          if (value > reached[all]) { reached[all] = value; choice[all] = taken; }
        }
      }
      best = reached;
      return choice;
    });
    const chosen = left => {
      const mix = new Array(channels.length);
      for (let index = channels.length - 1; index >= 0; index--) {
        mix[index] = limits[index][0] + choices[index][left] * step;
        left -= choices[index][left];
      }
      return mix;
    };
    const amounts = chosen(STEPS);
    let idle = Math.max(budget - sum(amounts), 0);
    for (let move = 2 * step, round = 0; round < 18; move /= 2, round++) {
      for (let improved = true, tries = 0; improved && tries < 50; tries++) {
        improved = false;
        const rises = channels.map((channel, index) => amounts[index] + move <= limits[index][1] + 1e-9
          ? worth(channel, amounts[index] + move) - worth(channel, amounts[index]) : -Infinity);
        const to = rises.indexOf(Math.max(...rises));
        const falls = channels.map((channel, index) => index !== to && amounts[index] - move >= limits[index][0] - 1e-9
          ? worth(channel, amounts[index]) - worth(channel, amounts[index] - move) : Infinity);
        falls.push(idle >= move ? 0 : Infinity);
        const from = falls.indexOf(Math.min(...falls));
        if (rises[to] > falls[from] + 1e-9 * Math.abs(data.value)) {
          amounts[to] += move;
          if (from < channels.length) amounts[from] -= move; else idle -= move;
          improved = true;
        }
      }
    }
    const frontier = Array.from(best, (value, all) => [least + all * step, value, chosen(all)]);
    return {amounts, value: sum(channels.map((channel, index) => worth(channel, amounts[index]))), frontier};
  }

  // What no plan earns more than: at any price on money each channel takes the amount that pays it most (Lagrange).
  function bound(budget, limits) {
    const corners = channels.map((channel, index) => {
      const [low, high] = limits[index], [at, above] = channel.above;
      const inside = at.map((amount, corner) => [amount, above[corner]]).filter(([amount]) => amount > low && amount < high);
      return [[low, interpolate(at, above, low)], ...inside, [high, interpolate(at, above, high)]];
    });
    const most = price => price * budget + sum(corners.map(
      line => line.reduce((best, [amount, above]) => Math.max(best, above - price * amount), -Infinity)));
    let low = 0, high = Math.max(...corners.flatMap(line => line.slice(1).map(
      ([amount, above], corner) => (above - line[corner][1]) / Math.max(amount - line[corner][0], 1e-9))), 0);
    for (let round = 0; round < 150; round++) {
      const left = low + (high - low) / 3, right = high - (high - low) / 3;
      if (most(left) < most(right)) high = right; else low = left;
    }
    return {value: Math.min(most(0.5 * (low + high)), most(0)), price: 0.5 * (low + high)};
  }

  function interval(amounts) {
    if (!data.draws) return null;
    const values = Array.from({length: data.draws}, (_, draw) => sum(channels.map(
      (channel, index) => interpolate(channel.money, channel.drawn[draw], amounts[index])))).sort((a, b) => a - b);
    const at = share => interpolate(values.map((_, index) => index), values, share * (values.length - 1));
    return [at(0.025), at(0.975)];
  }

  const slider = find("budget"), exact = find("exact"), result = find("result"), message = find("message");
  const rows = channels.map((channel, index) => ({
    low: find(`low-${index}`), high: find(`high-${index}`),
    lowText: find(`low-text-${index}`), highText: find(`high-text-${index}`),
    spend: find(`spend-${index}`), change: find(`change-${index}`), sales: find(`sales-${index}`), roas: find(`roas-${index}`),
  }));
  const planned = data.spend.map(sum);
  let shown = null, spoken = 0;

  const limitsNow = () => rows.map((row, index) => {
    const {least, most} = channels[index];
    const place = input => least + (most - least) * input.value / input.max;
    return [place(row.low), place(row.high)];
  });
  const untouched = () => Math.abs(Number(exact.value) - data.budget) < 0.005
    && rows.every(row => Number(row.low.value) === 0 && row.high.value === row.high.max);

  function plan() {
    const budget = Number(exact.value), limits = limitsNow();
    if (!(budget > 0) || budget > data.highest) return {problem: `Give a budget of up to ${money(data.highest)}.`};
    if (untouched()) {
      return {budget, spend: data.spend, amounts: planned, value: data.value, bound: data.bound, price: data.price,
        interval: data.interval, certified: true, frontier: split(data.highest, limits).frontier};
    }
    const found = split(budget, limits);
    if (!found) return {problem: `The smallest spends amount to ${money(sum(limits.map(limit => limit[0])))}, more than the budget.`};
    const least = split(data.highest, limits), above = bound(budget, limits);
    return {budget, ...found, spend: found.amounts.map((amount, index) => spends(channels[index], amount)),
      bound: Math.max(above.value, found.value), price: above.price, interval: interval(found.amounts), frontier: least.frontier};
  }

  function show() {
    const now = plan();
    rows.forEach((row, index) => {
      const [low, high] = limitsNow()[index];
      [[row.low, row.lowText, low], [row.high, row.highText, high]].forEach(([input, text, amount]) => {
        text.textContent = money(amount, 0);
        input.setAttribute("aria-valuetext", money(amount, 0));
      });
    });
    slider.setAttribute("aria-valuetext", money(Number(exact.value), 0));
    message.textContent = now.problem || "";
    find("download").disabled = Boolean(now.problem);
    if (now.problem) return;
    shown = now;
    const totals = now.spend.map(sum), spent = sum(totals);
    const sold = (value, spend) => (value + data.cost * spend) / data.margin;
    const sales = sold(now.value, spent);
    const numbers = {
      earns: money(now.value, 0), against: (now.value >= data.value ? "+" : "-") + money(Math.abs(now.value - data.value), 0),
      spent: money(spent, 0), net: money(data.margin * sales - spent, 0), roas: spent > 0 ? (sales / spent).toFixed(2) : "–",
      next: ((now.price + data.cost) / data.margin).toFixed(2),
      gap: now.bound === null ? "–" : now.value > 0 ? `≤ ${Math.max(0.001, +(100 * (now.bound / now.value - 1)).toPrecision(2))}%` : "–",
      interval: now.interval ? `${money(now.interval[0], 0)} to ${money(now.interval[1], 0)}` : "",
    };
    for (const [name, text] of Object.entries(numbers)) { const cell = find(name); if (cell) cell.textContent = text; }
    rows.forEach((row, index) => {
      const sells = now.certified ? data.sales[index] : sold(worth(channels[index], now.amounts[index]), totals[index]);
      row.spend.textContent = money(totals[index], 0);
      row.change.textContent = (totals[index] >= planned[index] ? "+" : "-") + money(Math.abs(totals[index] - planned[index]), 0);
      row.sales.textContent = money(sells, 0);
      row.roas.textContent = totals[index] >= 1e-6 * spent && totals[index] > 0 ? (sells / totals[index]).toFixed(2) : "–";
    });
    find("state").textContent = now.certified ? "This is the plan above, to the cent." : find("state").dataset.moved;
    drawPeriods(now.spend);
    drawFrontier(now);
    drawMixes(now);
    clearTimeout(spoken);
    // A screen reader hears where a slider ends up, not every step.
    spoken = setTimeout(() => {
      result.textContent = `Budget ${money(now.budget, 0)}: earns ${numbers.earns}, net result ${numbers.net}, ROAS ${numbers.roas}.`;
    }, 400);
  }

  const SVG = "http://www.w3.org/2000/svg";
  function element(parent, name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }
  const brief = amount => amount >= 1e9 ? `${+(amount / 1e9).toPrecision(3)}B` : amount >= 1e6 ? `${+(amount / 1e6).toPrecision(3)}M`
    : amount >= 1e3 ? `${+(amount / 1e3).toPrecision(3)}k` : `${+amount.toPrecision(3)}`;
  function frame(name, highest) {
    const svg = find(name), width = Math.max(svg.clientWidth, 260), height = 210, left = 52, bottom = 24;
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const unit = 10 ** Math.floor(Math.log10(Math.max(highest, 1e-9))), ticks = highest / unit;
    const step = unit * (ticks > 5 ? 2 : ticks > 2 ? 1 : 0.5), y = amount => height - bottom - (height - bottom - 12) * amount / (1.05 * highest);
    for (let tick = 0; tick <= highest; tick += step) {
      element(svg, "line", {x1: left, x2: width, y1: y(tick), y2: y(tick), class: "grid"});
      element(svg, "text", {x: left - 6, y: y(tick) + 4, "text-anchor": "end"}, brief(tick));
    }
    return {svg, width, height, left, y, bottom};
  }
  function drawPeriods(spend) {
    const periods = data.dates.length;
    const before = Math.max(...data.dates.map((_, period) => sum(data.spend.map(channel => channel[period]))));
    const highest = Math.max(before, ...data.dates.map((_, period) => sum(spend.map(channel => channel[period]))));
    const {svg, width, height, left, y} = frame("periods", highest), wide = (width - left) / periods;
    for (let period = 0; period < periods; period++) {
      let from = 0;
      spend.forEach((channel, index) => {
        const up = from + channel[period];
        if (channel[period] > 0) element(svg, "rect", {x: left + period * wide, width: Math.max(wide - (wide > 6 ? 1.5 : 0), 0.5), y: y(up),
          height: Math.max(y(from) - y(up), 0), fill: channels[index].color});
        from = up;
      });
    }
    const every = Math.ceil(periods / Math.max(2, Math.floor((width - left) / 80)));
    for (let period = 0; period < periods; period += every) {
      const day = new Date(`${data.dates[period]}T00:00:00Z`).toLocaleDateString("en-US", {month: "short", day: "numeric", timeZone: "UTC"});
      const x = Math.min(left + (period + 0.5) * wide, width - 18);
      element(svg, "text", {x, y: height - 6, "text-anchor": period ? "middle" : "start"}, day);
    }
  }
  function drawFrontier(now) {
    const points = now.frontier.filter(([, value]) => Number.isFinite(value));
    const highest = Math.max(...points.map(([, value]) => value), data.value, 1e-9);
    const {svg, width, height, left, y} = frame("frontier", highest), x = budget => left + (width - left - 12) * budget / data.highest;
    for (let share = 0; share <= 4; share++) {
      const budget = data.highest * share / 4;
      element(svg, "text", {x: x(budget), y: height - 6, "text-anchor": share === 4 ? "end" : share ? "middle" : "start"}, brief(budget));
    }
    element(svg, "polyline", {points: points.map(([budget, value]) => `${x(budget).toFixed(1)},${y(value).toFixed(1)}`).join(" "), class: "curve"});
    element(svg, "circle", {cx: x(data.budget), cy: y(data.value), r: 5, class: "plan"});
    element(svg, "circle", {cx: x(now.budget), cy: y(now.value), r: 5, class: "now"});
  }

  function drawMixes(now) {
    const highest = Math.max(...now.frontier.map(([, , mix]) => sum(mix)), 1e-9);
    const {svg, width, height, left, y} = frame("mixes", highest), x = budget => left + (width - left - 12) * budget / data.highest;
    for (let share = 0; share <= 4; share++) {
      const budget = data.highest * share / 4;
      element(svg, "text", {x: x(budget), y: height - 6, "text-anchor": share === 4 ? "end" : share ? "middle" : "start"}, brief(budget));
    }
    const lower = now.frontier.map(() => 0);
    channels.forEach((channel, index) => {
      const upper = lower.map((from, all) => from + now.frontier[all][2][index]);
      const corner = levels => (all => `${x(now.frontier[all][0]).toFixed(1)},${y(levels[all]).toFixed(1)}`);
      const places = [...lower.keys()];
      element(svg, "polygon", {fill: channel.color, points: [...places.map(corner(upper)), ...places.reverse().map(corner(lower))].join(" ")});
      upper.forEach((level, all) => { lower[all] = level; });
    });
    element(svg, "line", {x1: x(now.budget), x2: x(now.budget), y1: 12, y2: y(0), class: "here"});
  }

  // Cents of the plan shown, rounded down, so that no budget is exceeded.
  function download() {
    const quoted = text => `"${text.replaceAll('"', '""')}"`;
    const cents = shown.spend.map(channel => channel.map(spend => Math.floor(spend * 100 + 1e-6)));
    let all = 0;
    const budget = Math.floor(shown.budget * 100 + 1e-6), text = amount => (amount / 100).toFixed(2);
    const lines = data.dates.map((day, period) => {
      const row = cents.map(channel => channel[period]), total = sum(row);
      all += total;
      return [day, ...row.map(text), text(total), text(all), text(budget - all)].join(",");
    });
    const head = ["date", ...channels.map(channel => quoted(`spend_${channel.name}`)), "spend", "cumulative_spend", "budget_left"];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([[head.join(","), ...lines].join("\r\n") + "\r\n"], {type: "text/csv"}));
    link.download = "what-if.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function reset() {
    slider.value = 100;
    exact.value = data.budget;
    for (const row of rows) { row.low.value = 0; row.high.value = row.high.max; }
    show();
  }
  slider.addEventListener("input", () => { exact.value = (data.budget * slider.value / 100).toFixed(2); show(); });
  exact.addEventListener("input", () => { slider.value = 100 * exact.value / data.budget; show(); });
  rows.forEach(row => {
    row.low.addEventListener("input", () => { if (+row.low.value > +row.high.value) row.high.value = row.low.value; show(); });
    row.high.addEventListener("input", () => { if (+row.high.value < +row.low.value) row.low.value = row.high.value; show(); });
  });
  find("download").addEventListener("click", download);
  find("reset").addEventListener("click", reset);
  let width = 0;
  new ResizeObserver(() => { if (shown && section.clientWidth !== width) { width = section.clientWidth; show(); } }).observe(section);
  section.hidden = false;
  reset();
})();
