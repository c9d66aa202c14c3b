// Cuts one picture into faces, each a button that says which row it is. Arrow keys move among them.

export default function ({ parentElement, data, setTriggerValue }) {
  const grid = parentElement.querySelector(".faces");
  const sheet = new Image();

  const face = ({ row, title }, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = title;
    button.setAttribute("aria-label", title);
    button.tabIndex = place ? -1 : 0;
    button.onclick = () => setTriggerValue("row", row);
    const canvas = document.createElement("canvas");
    canvas.width = data.width;
    canvas.height = data.height;
    const left = (place % data.columns) * data.cellWidth;
    const top = Math.floor(place / data.columns) * data.cellHeight;
    const [width, height] = [data.width, data.height];
    canvas.getContext("2d").drawImage(sheet, left, top, width, height, 0, 0, width, height);
    button.append(canvas);
    return button;
  };

  grid.onkeydown = (event) => {
    const buttons = [...grid.children];
    const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    const next = buttons[buttons.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  };

  let isStale = false;
  sheet.onload = () => {
    if (isStale) return;
    grid.replaceChildren(...data.faces.map(face));
    grid.shown = data.sheet;
    // Turning the page below the faces leads to the first of them.
    if (grid.getBoundingClientRect().top < 0) grid.scrollIntoView();
  };
  if (grid.shown !== data.sheet) sheet.src = data.sheet;
  return () => {
    isStale = true;
  };
}
