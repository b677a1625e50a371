// Fades the maps. All of the page can be read without this.
for (const fade of document.querySelectorAll(".fade")) {
  const input = fade.querySelector("input");
  const map = document.getElementById(input.dataset.map);
  const told = fade.querySelector("output");
  const show = () => {
    map.setAttribute("opacity", input.value / 100);
    told.textContent = `${input.value} %`;
  };
  input.addEventListener("input", show);
  fade.hidden = false;
  show();
}
